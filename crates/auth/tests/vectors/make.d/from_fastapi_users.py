"""fastapi-users: its PasswordHelper, with what it makes now and what it made before."""
from importlib.metadata import version

from fastapi_users.password import PasswordHelper
from passwords import FOREIGN, LONG, PLAIN, vector
from pwdlib import PasswordHash
from pwdlib.hashers.bcrypt import BcryptHasher

tool = f"fastapi-users {version('fastapi-users')}, pwdlib {version('pwdlib')}"
for password in (PLAIN, FOREIGN, LONG):
    vector(tool, "argon2", password, PasswordHelper().hash(password), False)
bcrypt = PasswordHelper(PasswordHash((BcryptHasher(),)))
for password in (PLAIN, FOREIGN):
    vector(tool, "bcrypt", password, bcrypt.hash(password), False)
