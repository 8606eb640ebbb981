CREATE TABLE events (
    id         UUID   NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    type       TEXT   NOT NULL,
    user_id    UUID,
    actor      TEXT   NOT NULL,
    actor_id   UUID,
    session_id UUID,
    request_id TEXT,
    details    TEXT,
    personal   TEXT,
    salt       BYTEA,
    number     BIGINT,
    commitment BYTEA,
    link       BYTEA
);

CREATE INDEX events_number ON events (number, id);
CREATE INDEX events_user_id ON events (user_id, id);
CREATE INDEX events_type ON events (type, id);
CREATE INDEX events_actor_id ON events (actor_id, id) WHERE actor_id IS NOT NULL;

CREATE TABLE event_chain (
    id           BIGINT NOT NULL PRIMARY KEY,
    first_number BIGINT NOT NULL,
    first_link   BYTEA  NOT NULL,
    last_number  BIGINT NOT NULL,
    last_link    BYTEA  NOT NULL,
    seal         BYTEA  NOT NULL
);

CREATE TABLE erasures (
    user_id  UUID   NOT NULL PRIMARY KEY,
    asked_at BIGINT NOT NULL
);
