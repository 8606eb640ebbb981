"""joserfc as a peer of scripts/interop.

Each call names the one algorithm it allows: what joserfc allows by itself is less, and lacks most of those here.
"""

import warnings
from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import SecurityWarning
from serving import CURVES, secret_bytes, secret_text, serve

# It advises against the name EdDSA, which RFC 9864 replaces.
warnings.simplefilter("ignore", SecurityWarning)


def key_type(algorithm: str) -> str:
    if algorithm.startswith("HS"):
        return "oct"
    match CURVES.get(algorithm):
        case None:
            return "RSA"
        case "Ed25519":
            return "OKP"
        case _:
            return "EC"


def read(key: dict[str, Any], algorithm: str) -> jwk.Key | jwk.KeySet:
    """Hands joserfc a key the way its users do."""
    match key:
        case {"secret": text}:
            return jwk.import_key(secret_bytes(text), "oct")
        case {"pem": pem}:
            return jwk.import_key(pem, key_type(algorithm))
        case {"jwk": members}:
            return jwk.import_key(members)
        case {"jwks": members}:
            return jwk.KeySet.import_key_set(members)


def generate(algorithm: str) -> dict[str, list[dict[str, Any]]]:
    kind = key_type(algorithm)
    if kind == "oct":
        key = jwk.generate_key(kind, int(algorithm[2:]))
        forms = [{"secret": secret_text(key.raw_value)}, {"jwk": key.as_dict()}]
        return {"private": forms, "public": forms}
    key = jwk.generate_key(kind, CURVES.get(algorithm, 2048))
    return {
        "private": [{"pem": key.as_pem(private=True).decode()}, {"jwk": key.as_dict(private=True)}],
        "public": [{"pem": key.as_pem(private=False).decode()}, {"jwk": key.as_dict(private=False)}],
    }


def sign(algorithm: str, key: dict[str, Any], kid: str, claims: dict[str, Any]) -> str:
    header = {"alg": algorithm, "kid": kid, "typ": "JWT"}
    return jwt.encode(header, claims, read(key, algorithm), [algorithm], default_type=None)


def verify(algorithm: str, key: dict[str, Any], token: str, issuer: str, audience: str) -> dict[str, Any]:
    verified = jwt.decode(token, read(key, algorithm), [algorithm])
    required = {"iss": issuer, "aud": audience}
    rules = {claim: {"essential": True, "value": value} for claim, value in required.items()}
    jwt.JWTClaimsRegistry(exp={"essential": True}, **rules).validate(verified.claims)
    return verified.claims


def thumbprint(key: dict[str, Any]) -> str:
    return jwk.import_key(key["jwk"]).thumbprint()


if __name__ == "__main__":
    serve("joserfc", generate, sign, verify, thumbprint)
