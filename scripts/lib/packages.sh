# Node.js and Python, and packages of their registries in folders of the build. To be sourced after scripts/lib/install.sh.
# shellcheck shell=bash

node_is_good() {
    command -v npm >/dev/null &&
        node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null
}

# Debian has the parts of `venv` in a package of their own.
python_is_good() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

need_node() { node_is_good || { apt_install nodejs npm && node_is_good; }; }

need_python() { python_is_good || { apt_install python3 python3-venv && python_is_good; }; }

# Installs what a list names into a folder, by `npm_install` or `pip_install`, unless that was done from the same list before.
install_once() {
    local install=$1 list=$2 place=$3
    cmp -s "$list" "$place/installed" && return 0
    rm -rf "$place"
    mkdir -p "$place"
    "$install" "$list" "$place" >&2 && cp "$list" "$place/installed"
}

npm_install() {
    cp "$1" "$2/package.json" &&
        npm install --prefix "$2" --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel error
}

pip_install() {
    python3 -m venv "$2" &&
        "$2/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --requirement "$1"
}
