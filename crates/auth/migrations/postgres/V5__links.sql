ALTER TABLE users ADD COLUMN pending BOOLEAN NOT NULL DEFAULT FALSE;

CREATE INDEX users_pending ON users (created_at) WHERE pending;

CREATE TABLE links (
    secret_hash BYTEA  NOT NULL PRIMARY KEY,
    purpose     TEXT   NOT NULL,
    user_id     UUID   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    email       TEXT   NOT NULL,
    expires_at  BIGINT NOT NULL
);

CREATE INDEX links_user_id ON links (user_id);
CREATE INDEX links_expires_at ON links (expires_at);

CREATE TABLE email_changes (
    user_id    UUID   NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    email      TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX email_changes_created_at ON email_changes (created_at);
