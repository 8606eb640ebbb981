ALTER TABLE users ADD COLUMN search TEXT;

CREATE INDEX users_unsearched ON users (id) WHERE search IS NULL;

CREATE TABLE admin_links (
    secret_hash BYTEA  NOT NULL PRIMARY KEY,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
