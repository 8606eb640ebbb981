CREATE TABLE posts (
    id          UUID    NOT NULL PRIMARY KEY,
    title       TEXT    NOT NULL,
    content     TEXT    NOT NULL,
    author_id   TEXT    NOT NULL,
    author_name TEXT,
    created_at  BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL
);
