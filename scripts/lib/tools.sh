# Programs of crates.io that scripts use, in fixed versions, in a folder of the build. To be sourced after
# scripts/lib/install.sh; whoever does says with `say` what is being done.
# shellcheck shell=bash

declare -A tool_versions=(
    [cargo-auditable]=0.7.7
    [cargo-cyclonedx]=0.5.9
    [cargo-deb]=3.8.0
    [cargo-deny]=0.20.2
)

# Sees to it that one of them can be called; takes minutes the first time.
tool() {
    local name=$1 tools
    tools=$(realpath -m "${CARGO_TARGET_DIR:-target}/tools")
    [[ :$PATH: == *:$tools/bin:* ]] || PATH=$tools/bin:$PATH
    grep -qsF "\"$name ${tool_versions[$name]} " "$tools/.crates.toml" && return 0
    say "install $name ${tool_versions[$name]}"
    # In a folder of its own, so that what is built here does not wait for it, nor is built again.
    CARGO_TARGET_DIR=$tools/build nice -n 10 \
        cargo install --quiet --locked --root "$tools" "$name@${tool_versions[$name]}" || {
        echo "$name cannot be installed" >&2
        exit 3
    }
    rm -rf "$tools/build"
}
