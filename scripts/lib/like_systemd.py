"""Runs a command under what a unit of systemd forbids, where there is no systemd that could run the unit.

    like_systemd.py UNIT USER WRITABLE COMMAND…

Of the unit it takes the filter of system calls, the families of sockets, the ban on memory that is written and run, the
mask and the limit on files; and it makes everything read-only but the folder WRITABLE and what lies in memory. It takes
root, `systemd-analyze`, and Debian's python3-seccomp. What it leaves out: name spaces other than that of mounts.
"""

import ctypes
import os
import pwd
import resource
import socket
import subprocess
import sys

import seccomp

UNIT, USER, WRITABLE, *COMMAND = sys.argv[1:]
REFUSED = seccomp.ERRNO(1)  # EPERM, as SystemCallErrorNumber= says
LIBC = ctypes.CDLL(None, use_errno=True)


def settings():
    with open(UNIT, encoding="utf-8") as file:
        for line in file:
            name, equals, value = line.strip().partition("=")
            if equals and not line.startswith("#"):
                yield name, value


def calls(group):
    """The system calls of a group, the groups in it taken apart."""
    if not group.startswith("@"):
        return {group}
    printed = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True
    )
    inside = [line.strip() for line in printed.stdout.splitlines()[1:]]
    return {call for one in inside if one and not one.startswith("#") for call in calls(one)}


def allowed():
    # What systemd adds to any list of what is allowed.
    found = calls("@default") | {"execve", "exit", "exit_group", "rt_sigreturn"}
    for name, value in settings():
        if name == "SystemCallFilter":
            forbids = value.startswith("~")
            for group in value.lstrip("~").split():
                found = found - calls(group) if forbids else found | calls(group)
    return found


def restrictions(families):
    filter_ = seccomp.SyscallFilter(REFUSED)
    for call in sorted(allowed() - {"socket", "mmap", "mprotect", "pkey_mprotect"}):
        try:
            filter_.add_rule(seccomp.ALLOW, call)
        except RuntimeError:
            pass  # a call of other machines
    for family in families:
        of_family = seccomp.Arg(0, seccomp.EQ, getattr(socket, family))
        filter_.add_rule(seccomp.ALLOW, "socket", of_family)
    write, execute = 2, 4
    for kept in (0, write, execute):
        filter_.add_rule(seccomp.ALLOW, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, write | execute, kept))
    for call in ("mprotect", "pkey_mprotect"):
        filter_.add_rule(seccomp.ALLOW, call, seccomp.Arg(2, seccomp.MASKED_EQ, execute, 0))
    return filter_


def mount(source, target, flags):
    if LIBC.mount(source, target, None, flags, None):
        raise OSError(ctypes.get_errno(), f"mount {target}")


def main():
    unit = dict(settings())
    assert unit["MemoryDenyWriteExecute"] == "yes" and unit["ProtectSystem"] == "strict", UNIT
    filter_ = restrictions(unit["RestrictAddressFamilies"].split())
    readonly, remount, bind, recursive, private = 1, 32, 4096, 16384, 1 << 18
    if LIBC.unshare(0x00020000):  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    mount(None, b"/", recursive | private)
    folder = os.path.realpath(WRITABLE).encode()
    mount(folder, folder, bind)
    with open("/proc/self/mounts", encoding="utf-8") as file:
        points = [line.split()[1] for line in file]
    for point in points:
        memory = point.startswith(("/proc", "/sys", "/dev"))
        if not memory and os.path.realpath(point).encode() != folder:
            mount(None, point.encode(), remount | bind | readonly)
    user = pwd.getpwnam(USER)
    files = int(unit["LimitNOFILE"])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(int(unit["UMask"], 8))
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    LIBC.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    os.chdir("/")
    filter_.load()
    os.execv(COMMAND[0], COMMAND)


main()
