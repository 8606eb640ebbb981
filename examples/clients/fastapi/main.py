"""Posts, for whoever is signed in at Countersign. Of users and passwords this program knows nothing."""

from typing import Annotated
from uuid import uuid4

from caller import Caller, has_role
from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel

app = FastAPI()
posts: dict[str, dict] = {}


def whole(text: str) -> str:
    """A text that can be sent again: JSON also has halves of characters, such as "\\ud800"."""
    text.encode()
    return text


class Draft(BaseModel):
    title: Annotated[str, AfterValidator(whole)]
    content: Annotated[str, AfterValidator(whole)]


@app.exception_handler(RequestValidationError)
async def unfit(_, error: RequestValidationError) -> JSONResponse:
    # FastAPI would repeat what was sent, and fail where that is no JSON, such as NaN.
    return JSONResponse({"detail": [{"loc": each["loc"], "msg": each["msg"]} for each in error.errors()]}, 422)


@app.get("/posts")
def read(caller: Caller) -> list[dict]:
    return list(posts.values())


@app.post("/posts", status_code=201)
def write(draft: Draft, caller: Caller) -> dict:
    # `sub` is the stable id of the account; `name` is not there when it has none.
    author = {"author_id": caller["sub"], "author_name": caller.get("name")}
    post = {"id": str(uuid4()), **draft.model_dump(), **author}
    posts[post["id"]] = post
    return post


@app.delete("/posts/{id}", status_code=204)
def remove(id: str, caller: Caller) -> None:
    if id not in posts:
        raise HTTPException(404, "there is no such post")
    if caller["sub"] != posts[id]["author_id"] and not has_role(caller, "admin"):
        challenge = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
        raise HTTPException(403, "only its author or an admin may remove a post", challenge)
    posts.pop(id, None)
