CREATE TABLE leases (
    name       TEXT   NOT NULL PRIMARY KEY,
    holder     UUID   NOT NULL,
    expires_at BIGINT NOT NULL
);

ALTER TABLE keys ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN retired_at BIGINT;
ALTER TABLE keys ADD COLUMN gone_at BIGINT;
ALTER TABLE keys ADD COLUMN revoked_at BIGINT;
ALTER TABLE keys ADD COLUMN lifetime BIGINT NOT NULL DEFAULT 0;
UPDATE keys SET active_at = created_at;

CREATE TABLE key_setting (
    id        BIGINT NOT NULL PRIMARY KEY,
    algorithm TEXT   NOT NULL
);

ALTER TABLE revocations ADD COLUMN kid TEXT;

CREATE INDEX sessions_created_at ON sessions (created_at);
CREATE INDEX refresh_tokens_created_at ON refresh_tokens (created_at);
