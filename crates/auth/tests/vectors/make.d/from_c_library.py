"""The C library's crypt(3), which mkpasswd, useradd and dovecot call."""
import crypt
import platform

from passwords import FOREIGN, LONG, PLAIN, vector

tool = f"crypt(3), {' '.join(platform.libc_ver())}"
for method, name in ((crypt.METHOD_SHA256, "sha256-crypt"), (crypt.METHOD_SHA512, "sha512-crypt")):
    for password in (PLAIN, FOREIGN, LONG):
        vector(tool, name, password, crypt.crypt(password, crypt.mksalt(method)), True)
vector(tool, "bcrypt", PLAIN, crypt.crypt(PLAIN, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 8)), True)
