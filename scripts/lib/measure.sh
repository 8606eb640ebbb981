# Builds the server as it is released and a program that measures it (crates/server/examples), and runs that. To be
# sourced by a script in the project's folder, after `set -euo pipefail`. What the program prints goes to stdout, all else
# to stderr; what was started is stopped and removed again, also after Ctrl-C.
# shellcheck shell=bash

# The program and what it starts are a process group of their own, so that all of it can be stopped.
set -m
# shellcheck source=scripts/lib/install.sh
. scripts/lib/install.sh
# shellcheck source=scripts/lib/postgres.sh
. scripts/lib/postgres.sh

group=
scratch=

say() { printf '== %s\n' "$*"; }

# Runs a command in a group of its own, to its end.
run() {
    local status=0
    "$@" </dev/null &
    group=$!
    wait "$group" || status=$?
    group=
    return "$status"
}

finish() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [[ -n $group ]]; then
        kill -TERM -- "-$group" 2>/dev/null || true
        wait "$group" 2>/dev/null || true
    fi
    stop_postgres
    [[ -z $scratch ]] || rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What others print is talk.
exec 3>&1 >&2

# A PostgreSQL: the one that COUNTERSIGN_TEST_POSTGRES names, or a throw-away one.
need_postgres() {
    [[ -z ${COUNTERSIGN_TEST_POSTGRES:-} ]] || return 0
    if ! find_postgres && ! { install_postgres && find_postgres; }; then
        echo "PostgreSQL is missing and cannot be installed: apt-get install postgresql"
        exit 3
    fi
    say "$("$postgres_bin/postgres" --version)"
    start_postgres || exit 3
}

# Builds the server and the program of this name, and runs it with the other arguments; what `launcher` holds comes before
# it.
launcher=()
measure() {
    local name=$1 what program
    shift
    need_rust
    say "build"
    # One by one: what only the program needs of the crates would end up in the server too.
    for what in '--bin countersign' "--example $name"; do
        # shellcheck disable=SC2086
        run cargo build --quiet --release --locked --package countersign $what || exit 3
    done
    program=${CARGO_TARGET_DIR:-target}/release
    say "measure"
    # A program that is stopped leaves its folders.
    scratch=$(mktemp -d)
    run env TMPDIR="$scratch" "${launcher[@]}" "$program/examples/$name" --server "$program/countersign" "$@" >&3
}
