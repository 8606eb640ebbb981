CREATE TABLE leases (
    name       TEXT    NOT NULL PRIMARY KEY,
    holder     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

ALTER TABLE keys ADD COLUMN active_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN retired_at INTEGER;
ALTER TABLE keys ADD COLUMN gone_at INTEGER;
ALTER TABLE keys ADD COLUMN revoked_at INTEGER;
ALTER TABLE keys ADD COLUMN lifetime INTEGER NOT NULL DEFAULT 0;
UPDATE keys SET active_at = created_at;

CREATE TABLE key_setting (
    id        INTEGER NOT NULL PRIMARY KEY,
    algorithm TEXT    NOT NULL
) STRICT;

ALTER TABLE revocations ADD COLUMN kid TEXT;

CREATE INDEX sessions_created_at ON sessions (created_at);
CREATE INDEX refresh_tokens_created_at ON refresh_tokens (created_at);
