"""passlib, which most Python programs used before: bcrypt with its 72 bytes, Argon2 of every kind, SHA-crypt."""
from passlib import __version__
from passlib.hash import argon2, bcrypt, sha256_crypt, sha512_crypt
from passwords import FOREIGN, LONG, PLAIN, vector

tool = f"passlib {__version__}"
for ident in ("2a", "2b", "2y"):
    for password in (PLAIN, FOREIGN, LONG):
        vector(tool, "bcrypt", password, bcrypt.using(rounds=10, ident=ident).hash(password), False)
vector(tool, "bcrypt", PLAIN, bcrypt.using(rounds=4).hash(PLAIN), True)
for kind in ("ID", "I", "D"):
    vector(tool, "argon2", PLAIN, argon2.using(type=kind).hash(PLAIN), False)
    vector(tool, "argon2", FOREIGN, argon2.using(type=kind, memory_cost=1024, time_cost=2).hash(FOREIGN), True)
for scheme, name in ((sha256_crypt, "sha256-crypt"), (sha512_crypt, "sha512-crypt")):
    vector(tool, name, PLAIN, scheme.hash(PLAIN), True)
    vector(tool, name, FOREIGN, scheme.using(rounds=5000).hash(FOREIGN), True)
    vector(tool, name, LONG, scheme.using(rounds=1000).hash(LONG), True)
