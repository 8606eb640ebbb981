# A Debian in a folder, started with its own systemd in name spaces of its own: no machine, no daemon, no image. To be
# sourced by root, after install.sh. Its network is a loopback of its own, so no port is taken and nobody is reached.
# shellcheck shell=bash

# The systemd that was started, as a process of this machine; empty before, as the others.
debian_pid=
debian_outside=
debian_cgroup=

# Makes it: a folder, the suite, packages. What services the packages have is started when it is booted, and not here.
debian_make() {
    local folder=$1 suite=$2 packages=$3
    command -v debootstrap >/dev/null || apt_install debootstrap || return 3
    say "debootstrap $suite"
    rm -rf "$folder"
    debootstrap --variant=minbase --include="$packages" "$suite" "$folder" \
        "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$folder.log" 2>&1 || {
        tail -n 20 "$folder.log"
        return 3
    }
    # Modules are the affair of the machine that it runs on.
    ln -sf /dev/null "$folder/etc/systemd/system/systemd-modules-load.service"
    rm -rf "$folder"/var/cache/apt/archives/*.deb
}

# The first process inside: mounts what a system wants, leaves the old root, and becomes systemd. It is text for a bash of its own.
# shellcheck disable=SC2016
readonly debian_init='
mount --bind "$1" "$1"
cd "$1"
mkdir -p old
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
pivot_root . old
cd /
umount -l /old
# systemd hands files to a service (LoadCredential=) by a mount that services have to see.
mount --make-rshared /
exec env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal --show-status=1
'

# Boots what lies in a folder, and waits until all that it starts is started; the console goes to FOLDER.console.
debian_boot() {
    local folder=$1 groups state
    groups=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET) || {
        echo "this machine has no control groups of the second version"
        return 3
    }
    debian_cgroup=$groups/countersign-operator-$$
    mkdir "$debian_cgroup"
    (
        echo "$BASHPID" >"$debian_cgroup/cgroup.procs"
        exec unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child --propagation private \
            bash -euc "$debian_init" _ "$folder"
    ) >"$folder.console" 2>&1 </dev/null &
    debian_outside=$!
    for _ in $(seq 300); do
        kill -0 "$debian_outside" 2>/dev/null || break
        debian_pid=$(ps -o pid= --ppid "$debian_outside" | tr -d ' ') || true
        if [[ -n $debian_pid && $(ps -o comm= "$debian_pid") == systemd ]]; then
            # In the group that systemd divides nothing else may be.
            echo "$debian_outside" >"$groups$(sed -n 's/^0:://p' /proc/self/cgroup)/cgroup.procs"
            state=$(inside systemctl is-system-running --wait 2>/dev/null) || true
            [[ $state != running && $state != degraded ]] || return 0
        fi
        sleep 0.2
    done
    tail -n 20 "$folder.console"
    return 1
}

# Runs a command in it, as root.
inside() {
    nsenter --target "$debian_pid" --mount --uts --ipc --net --pid --cgroup --root --wd=/ -- \
        env -C / -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@" </dev/null
}

# Does nothing where none was started. With the first process all others of its name space end.
debian_stop() {
    if [[ -n $debian_pid ]] && kill -s RTMIN+4 "$debian_pid" 2>/dev/null; then
        for _ in $(seq 150); do
            kill -0 "$debian_outside" 2>/dev/null || break
            sleep 0.2
        done
    fi
    if [[ -n $debian_outside ]]; then
        [[ -z $debian_pid ]] || kill -KILL "$debian_pid" 2>/dev/null || true
        kill -KILL "$debian_outside" 2>/dev/null || true
        wait "$debian_outside" 2>/dev/null || true
    fi
    # The last processes take a moment to be gone.
    for _ in $(seq 25); do
        [[ -d $debian_cgroup ]] || break
        find "$debian_cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.2
    done
    debian_pid='' debian_outside='' debian_cgroup=''
}
