CREATE TABLE posts (
    id          BLOB    NOT NULL PRIMARY KEY,
    title       TEXT    NOT NULL,
    content     TEXT    NOT NULL,
    author_id   TEXT    NOT NULL,
    author_name TEXT,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;
