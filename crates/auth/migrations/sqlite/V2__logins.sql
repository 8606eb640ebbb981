ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';

CREATE TABLE refresh_tokens (
    session_id        BLOB    NOT NULL PRIMARY KEY,
    user_id           BLOB    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    counter           INTEGER NOT NULL,
    first_uses        BLOB    NOT NULL,
    access_expires_at INTEGER NOT NULL,
    device            TEXT    NOT NULL,
    address           TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    last_used_at      INTEGER NOT NULL
) STRICT;

CREATE INDEX refresh_tokens_user_id ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_last_used_at ON refresh_tokens (last_used_at);

CREATE TABLE revocations (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id BLOB,
    user_id    BLOB,
    generation INTEGER,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX revocations_expires_at ON revocations (expires_at);

CREATE TABLE server_secret (
    id       INTEGER NOT NULL PRIMARY KEY,
    material BLOB    NOT NULL,
    sealed   INTEGER NOT NULL
) STRICT;
