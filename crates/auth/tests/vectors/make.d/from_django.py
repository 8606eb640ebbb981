"""Django: every hasher of its documentation that keeps passwords and not mere digests."""
import django
from django.conf import settings

NAMES = ["PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt"]
settings.configure(PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in NAMES])
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from passwords import FOREIGN, PLAIN, vector

tool = f"Django {django.__version__}"
schemes = {
    "pbkdf2_sha256": ("django pbkdf2_sha256", False),
    "pbkdf2_sha1": ("django pbkdf2_sha1", True),
    "argon2": ("argon2", False),
    "bcrypt_sha256": ("django bcrypt_sha256", False),
    "bcrypt": ("bcrypt", False),
    "scrypt": ("django scrypt", False),
}
for name, (scheme, wrapped) in schemes.items():
    for password in (PLAIN, FOREIGN):
        hash = make_password(password, hasher=name)
        # As the importer does with what stands in `auth_user.password`.
        hash = hash.replace("argon2$argon2", "$argon2", 1).replace("bcrypt$$2b", "$2b", 1)
        vector(tool, scheme, password, hash, wrapped)
old = PBKDF2PasswordHasher().encode(PLAIN, "seasalt2", iterations=36_000)
vector(tool, "django pbkdf2_sha256", PLAIN, old, True)
