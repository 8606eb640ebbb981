# Installs what a script needs and the machine lacks. To be sourced; whoever does says with `say` what is being done.
# shellcheck shell=bash

# Runs a command with the rights to install packages; fails if there are none.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

# What apt says is hundreds of lines, and is of use when it fails.
apt_install() {
    local log status=0
    command -v apt-get >/dev/null || return 1
    say "install: $*"
    log=$(mktemp)
    {
        as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    } >"$log" 2>&1 || status=$?
    ((status == 0)) || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

# The same for packages with a service, which Debian would start: it is left stopped, now and at the next start of the machine.
apt_install_stopped() {
    local policy=/usr/sbin/policy-rc.d ours=false package status=0
    if [[ ! -e $policy ]]; then
        as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy" || return 1
        ours=true
    fi
    apt_install "$@" || status=$?
    if $ours; then
        as_root rm -f "$policy"
    fi
    if ((status == 0)) && command -v systemctl >/dev/null; then
        for package in "$@"; do
            as_root systemctl disable --quiet "$package" 2>/dev/null || true
        done
    fi
    return "$status"
}

# Rust, and a C compiler for the database and the cryptography that are built in; ends the script where one cannot be had.
need_rust() {
    if ! command -v cargo >/dev/null && [[ -r ${CARGO_HOME:-$HOME/.cargo}/env ]]; then
        # shellcheck source=/dev/null
        . "${CARGO_HOME:-$HOME/.cargo}/env"
    fi
    if ! command -v cargo >/dev/null; then
        echo "cargo is missing: install Rust from https://rustup.rs" >&2
        exit 3
    fi
    if ! command -v cc >/dev/null && ! apt_install build-essential; then
        echo "a C compiler is missing and cannot be installed: apt-get install build-essential" >&2
        exit 3
    fi
}
