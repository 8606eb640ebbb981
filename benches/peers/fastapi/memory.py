"""Posts in memory behind a token: FastAPI and PyJWT, as FastAPI's own tutorial puts them together."""

import json
import os
from pathlib import Path
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel

SECRET = Path(os.environ["SECRET_FILE"]).read_text().removesuffix("\n")

app = FastAPI()
scheme = OAuth2PasswordBearer(tokenUrl="login")


class Post(BaseModel):
    id: str
    title: str
    content: str
    author_id: str
    author_name: str | None
    created_at: int
    updated_at: int


class Page(BaseModel):
    items: list[Post]
    next: str | None


POSTS = [Post(**post) for post in json.loads(Path(os.environ["POSTS_JSON"]).read_text())["items"]]


async def caller(token: Annotated[str, Depends(scheme)]) -> str:
    try:
        claims = jwt.decode(
            token,
            SECRET,
            algorithms=["HS256"],
            issuer="countersign",
            audience="countersign",
            options={"require": ["exp", "sub"]},
        )
    except jwt.InvalidTokenError as error:
        raise HTTPException(
            status_code=status.HTTP_401_UNAUTHORIZED,
            detail="the token is not valid",
            headers={"WWW-Authenticate": "Bearer"},
        ) from error
    return claims["sub"]


@app.get("/posts")
async def posts(subject: Annotated[str, Depends(caller)]) -> Page:
    return Page(items=POSTS[:50], next=None)
