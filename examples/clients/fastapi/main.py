"""Posts, for whoever is signed in at Countersign. Of users and passwords this program knows nothing."""

from uuid import uuid4

from caller import Caller, has_role
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
posts: dict[str, dict] = {}


class Draft(BaseModel):
    title: str
    content: str


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
