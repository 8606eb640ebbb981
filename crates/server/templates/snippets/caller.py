"""Who is calling? The token says it, and the key alone shows that it is true.

For FastAPI: a route with a parameter `caller: Caller` answers 401 without a good token. Takes PyJWT 2.10 or newer.
"""
{% if api.secret_file.is_some() %}
from pathlib import Path
{%- endif %}
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException, Request
from fastapi.security import OAuth2PasswordBearer
{% if let Some(file) = api.secret_file %}
# The server's own secret: whoever has it can also make tokens. It is the bytes of the file without the newline at its end.
SECRET = Path({{ file.quoted() }}).read_bytes().removesuffix(b"\n")
{%- else %}
# Public keys, which the server may rotate: they are kept for five minutes, and fetched when a token names another one.
KEYS = jwt.PyJWKClient({{ api.key_set.quoted() }}, timeout=5)
{%- endif %}
# 401 where there is no token. The button of /docs sends address and password there, if http.cors_origins has its origin.
bearer = OAuth2PasswordBearer({{ api.login.quoted() }})


def caller(request: Request, token: Annotated[str, Depends(bearer)]) -> dict:
    if len(request.headers.getlist("authorization")) > 1:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_request"'}
        raise HTTPException(400, "more than one Authorization header", challenge)
    try:
        read = jwt.decode_complete(
            token,
{%- if api.secret_file.is_some() %}
            SECRET,
{%- else %}
            KEYS.get_signing_key_from_jwt(token),
{%- endif %}
            algorithms=["{{ api.algorithm }}"],  # always named here, never taken from the token
            issuer={{ api.issuer.quoted() }},
            audience={{ api.audience.quoted() }},
            leeway={{ api.leeway }},
            options={"require": ["exp", "sub", "sid"]},
        )
        if read["header"].get("typ") != {{ api.typ.quoted() }}:
            raise jwt.InvalidTokenError("The token is of another kind")
        return read["payload"]
{%- if api.secret_file.is_none() %}
    except jwt.PyJWKClientConnectionError:
        raise HTTPException(503, "the key set cannot be fetched", {"Retry-After": "5"})
{%- endif %}
    except jwt.PyJWTError as error:
        raise HTTPException(401, str(error), {"WWW-Authenticate": 'Bearer error="invalid_token"'})


Caller = Annotated[dict, Depends(caller)]
