CREATE TABLE users (
    id         UUID    NOT NULL PRIMARY KEY,
    email      TEXT    NOT NULL UNIQUE,
    name       TEXT,
    roles      TEXT    NOT NULL,
    generation BIGINT  NOT NULL,
    disabled   BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL
);

CREATE TABLE passwords (
    user_id    UUID    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash       TEXT    NOT NULL,
    changed_at BIGINT  NOT NULL
);

CREATE TABLE sessions (
    id           UUID    NOT NULL PRIMARY KEY,
    secret_hash  BYTEA   NOT NULL UNIQUE,
    user_id      UUID    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   BIGINT  NOT NULL,
    last_used_at BIGINT  NOT NULL
);

CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_last_used_at ON sessions (last_used_at);

CREATE TABLE keys (
    kid        TEXT    NOT NULL PRIMARY KEY,
    algorithm  TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    material   BYTEA   NOT NULL,
    sealed     BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL
);

CREATE UNIQUE INDEX keys_one_active ON keys (state) WHERE state = 'active';
