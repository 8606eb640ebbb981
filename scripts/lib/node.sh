# Node.js, and packages of the npm registry in a folder of the build. To be sourced after scripts/lib/install.sh.
# shellcheck shell=bash

node_is_good() {
    command -v npm >/dev/null &&
        node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null
}

need_node() { node_is_good || { apt_install nodejs npm && node_is_good; }; }

# Installs what a list names, unless that was done from the same list before: the list, the folder, the command, which is
# given both.
install_once() {
    local list=$1 place=$2 command=$3
    cmp -s "$list" "$place/installed" && return 0
    rm -rf "$place"
    mkdir -p "$place"
    "$command" "$list" "$place" >&2 && cp "$list" "$place/installed"
}

npm_install() {
    cp "$1" "$2/package.json" &&
        npm install --prefix "$2" --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel error
}
