"""The same with posts in SQLite, through SQLAlchemy."""

import os
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from memory import Page, caller
from memory import Post as PostOut

# A connection for each thread that FastAPI has: with fewer, all threads can come to wait for a connection whose return waits
# for a thread.
engine = create_engine(
    f"sqlite:///{os.environ['POSTS_DB']}", connect_args={"check_same_thread": False}, pool_size=64
)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class Post(Base):
    __tablename__ = "posts"

    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    content: Mapped[str]
    author_id: Mapped[str]
    author_name: Mapped[str | None]
    created_at: Mapped[int]
    updated_at: Mapped[int]


def session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@app.get("/posts")
def posts(
    subject: Annotated[str, Depends(caller)], session: Annotated[Session, Depends(session)]
) -> Page:
    found = session.scalars(select(Post).order_by(Post.id.desc()).limit(50))
    items = [PostOut.model_validate(post, from_attributes=True) for post in found]
    return Page(items=items, next=None)
