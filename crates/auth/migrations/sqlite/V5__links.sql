ALTER TABLE users ADD COLUMN pending INTEGER NOT NULL DEFAULT FALSE;

CREATE INDEX users_pending ON users (created_at) WHERE pending;

CREATE TABLE links (
    secret_hash BLOB    NOT NULL PRIMARY KEY,
    purpose     TEXT    NOT NULL,
    user_id     BLOB    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    email       TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX links_user_id ON links (user_id);
CREATE INDEX links_expires_at ON links (expires_at);

CREATE TABLE email_changes (
    user_id    BLOB    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    email      TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX email_changes_created_at ON email_changes (created_at);
