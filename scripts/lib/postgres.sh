# A throw-away PostgreSQL: found or installed, started on a free loopback port in a temporary folder, stopped and
# removed. To be sourced, after install.sh.
# shellcheck shell=bash

readonly least_postgres=15
# The folder of the server that was started; empty before.
postgres_folder=
postgres_bin=

# Runs a command of PostgreSQL's, which refuses to run as root.
as_postgres() {
    if [[ $EUID -eq 0 ]]; then
        (cd / && exec runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

# Sets `postgres_bin` to the newest server's programs, if there is one that is new enough.
find_postgres() {
    local bin version newest=0
    for bin in /usr/lib/postgresql/*/bin; do
        version=$(basename "$(dirname "$bin")")
        if [[ $version =~ ^[0-9]+$ && -x $bin/initdb && -x $bin/postgres ]] &&
            ((version >= least_postgres && version > newest)); then
            newest=$version
            postgres_bin=$bin
        fi
    done
    ((newest > 0))
}

# Debian starts a server of its own with the package, unless it is told not to.
install_postgres() {
    local quiet=/etc/postgresql-common/createcluster.d/countersign-test.conf status=0
    as_root mkdir -p "$(dirname "$quiet")" &&
        as_root sh -c "echo 'create_main_cluster = false' >$quiet" || return 1
    apt_install postgresql || status=$?
    as_root rm -f "$quiet"
    return "$status"
}

start_postgres() {
    local port
    postgres_folder=$(mktemp -d /tmp/countersign-test.XXXXXX)
    [[ $EUID -ne 0 ]] || chown postgres "$postgres_folder"
    as_postgres "$postgres_bin/initdb" --pgdata="$postgres_folder/data" --username=countersign --auth=trust \
        --encoding=UTF8 --locale=C --no-sync >"$postgres_folder/initdb.log" 2>&1 || {
        cat "$postgres_folder/initdb.log"
        return 1
    }
    # A server that lives for minutes need not survive a power cut.
    as_postgres tee -a "$postgres_folder/data/postgresql.conf" >/dev/null <<-CONF
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$postgres_folder'
		max_connections = 200
		fsync = off
		synchronous_commit = off
		full_page_writes = off
	CONF
    # Between choosing a port and using it another program can take it: try again with another one.
    for _ in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 12000))
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
        if as_postgres "$postgres_bin/pg_ctl" start --silent --wait --timeout=60 \
            --pgdata="$postgres_folder/data" --log="$postgres_folder/data/server.log" --options="-p $port" \
            >/dev/null </dev/null; then
            export COUNTERSIGN_TEST_POSTGRES=postgres://countersign@127.0.0.1:$port/postgres
            return 0
        fi
    done
    tail -n 20 "$postgres_folder/data/server.log"
    return 1
}

# Does nothing where none was started.
stop_postgres() {
    local pid
    [[ -n $postgres_folder ]] || return 0
    if [[ -f $postgres_folder/data/postmaster.pid ]]; then
        pid=$(head -n 1 "$postgres_folder/data/postmaster.pid")
        as_postgres "$postgres_bin/pg_ctl" stop --silent --wait --timeout=30 --mode=fast \
            --pgdata="$postgres_folder/data" >/dev/null 2>&1 || kill -QUIT "$pid" 2>/dev/null || true
    fi
    rm -rf "$postgres_folder"
}
