"""PyJWT as a peer of scripts/interop. It makes no keys itself: those are of cryptography, on which it stands."""

import secrets
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from serving import CURVES, secret_bytes, secret_text, serve

CURVE_CLASSES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}


def read(algorithm: str, key: dict[str, Any], token: str | None = None) -> Any:
    """Hands PyJWT a key the way its users do."""
    match key:
        case {"secret": text}:
            return secret_bytes(text)
        case {"pem": pem}:
            return pem
        case {"jwk": jwk}:
            # Without either it takes any RSA key for RS256 and any secret for HS256.
            return jwt.PyJWK.from_dict(jwk, jwk.get("alg", algorithm))
        case {"jwks": jwks}:
            return jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(token)["kid"]]


def generate(algorithm: str) -> dict[str, list[dict[str, Any]]]:
    kind = jwt.get_algorithm_by_name(algorithm)
    if algorithm.startswith("HS"):
        secret = secrets.token_bytes(int(algorithm[2:]) // 8)
        forms = [{"secret": secret_text(secret)}, {"jwk": kind.to_jwk(secret, as_dict=True)}]
        return {"private": forms, "public": forms}
    match CURVES.get(algorithm):
        case None:
            private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "Ed25519":
            private = ed25519.Ed25519PrivateKey.generate()
        case curve:
            private = ec.generate_private_key(CURVE_CLASSES[curve]())
    public = private.public_key()
    private_pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "private": [{"pem": private_pem.decode()}, {"jwk": kind.to_jwk(private, as_dict=True)}],
        "public": [{"pem": public_pem.decode()}, {"jwk": kind.to_jwk(public, as_dict=True)}],
    }


def sign(algorithm: str, key: dict[str, Any], kid: str, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, read(algorithm, key), algorithm, headers={"kid": kid})


def verify(algorithm: str, key: dict[str, Any], token: str, issuer: str, audience: str) -> dict[str, Any]:
    options = {"require": ["exp"]}
    return jwt.decode(token, read(algorithm, key, token), [algorithm], options, issuer=issuer, audience=audience)


def thumbprint(key: dict[str, Any]) -> str:
    raise NotImplementedError("PyJWT computes no thumbprints")


if __name__ == "__main__":
    serve("PyJWT", generate, sign, verify, thumbprint)
