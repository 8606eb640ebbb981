"""Who is calling? The token says it, and the key alone shows that it is true."""

import os
from pathlib import Path
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException, Request
from fastapi.security import OAuth2PasswordBearer

SERVER = os.environ.get("AUTH_SERVER", "http://127.0.0.1:8000")
SECRET_FILE = os.environ.get("SECRET_FILE")  # with it HS256, without it ES256
KEYS = jwt.PyJWKClient(SERVER + "/.well-known/jwks.json", timeout=5)
# 401 where there is no token; the button of /docs sends address and password to /login.
bearer = OAuth2PasswordBearer(SERVER + "/login")


def by_secret(token: str) -> dict:
    """HS256: the secret of the server, which is the file's bytes without the newline at its end."""
    secret = Path(SECRET_FILE).read_bytes().removesuffix(b"\n")
    return claims(token, secret, "HS256")


def by_key_set(token: str) -> dict:
    """ES256: the public key that the token names, fetched once in five minutes."""
    return claims(token, KEYS.get_signing_key_from_jwt(token), "ES256")


def claims(token: str, key, algorithm: str) -> dict:
    read = jwt.decode_complete(
        token,
        key,
        algorithms=[algorithm],  # always named here, never taken from the token
        issuer="countersign",
        audience="countersign",
        leeway=30,
        options={"require": ["exp", "sub", "sid"], "enforce_minimum_key_length": True},
    )
    if read["header"].get("typ") != "JWT":
        raise jwt.InvalidTokenError("The token is of another kind")
    return read["payload"]


def has_role(caller: dict, role: str) -> bool:
    roles = caller.get("roles")
    return isinstance(roles, list) and role in roles


def caller(request: Request, token: Annotated[str, Depends(bearer)]) -> dict:
    if len(request.headers.getlist("authorization")) > 1:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_request"'}
        raise HTTPException(400, "more than one Authorization header", challenge)
    try:
        return by_secret(token) if SECRET_FILE else by_key_set(token)
    except jwt.PyJWKClientConnectionError:
        raise HTTPException(503, "the key set cannot be fetched", {"Retry-After": "5"})
    except jwt.PyJWTError as error:
        raise HTTPException(401, str(error), {"WWW-Authenticate": 'Bearer error="invalid_token"'})


Caller = Annotated[dict, Depends(caller)]
