ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';

CREATE TABLE refresh_tokens (
    session_id        UUID   NOT NULL PRIMARY KEY,
    user_id           UUID   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    counter           BIGINT NOT NULL,
    first_uses        BYTEA  NOT NULL,
    access_expires_at BIGINT NOT NULL,
    device            TEXT   NOT NULL,
    address           TEXT   NOT NULL,
    created_at        BIGINT NOT NULL,
    last_used_at      BIGINT NOT NULL
);

CREATE INDEX refresh_tokens_user_id ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_last_used_at ON refresh_tokens (last_used_at);

CREATE TABLE revocations (
    number     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id UUID,
    user_id    UUID,
    generation BIGINT,
    expires_at BIGINT NOT NULL
);

CREATE INDEX revocations_expires_at ON revocations (expires_at);

CREATE TABLE server_secret (
    id       BIGINT  NOT NULL PRIMARY KEY,
    material BYTEA   NOT NULL,
    sealed   BOOLEAN NOT NULL
);
