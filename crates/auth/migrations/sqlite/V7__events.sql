CREATE TABLE events (
    id         BLOB    NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    type       TEXT    NOT NULL,
    user_id    BLOB,
    actor      TEXT    NOT NULL,
    actor_id   BLOB,
    session_id BLOB,
    request_id TEXT,
    details    TEXT,
    personal   TEXT,
    salt       BLOB,
    number     INTEGER,
    commitment BLOB,
    link       BLOB
) STRICT, WITHOUT ROWID;

CREATE INDEX events_number ON events (number, id);
CREATE INDEX events_user_id ON events (user_id, id);
CREATE INDEX events_type ON events (type, id);
CREATE INDEX events_actor_id ON events (actor_id, id) WHERE actor_id IS NOT NULL;

CREATE TABLE event_chain (
    id           INTEGER NOT NULL PRIMARY KEY,
    first_number INTEGER NOT NULL,
    first_link   BLOB    NOT NULL,
    last_number  INTEGER NOT NULL,
    last_link    BLOB    NOT NULL,
    seal         BLOB    NOT NULL
) STRICT;

CREATE TABLE erasures (
    user_id  BLOB    NOT NULL PRIMARY KEY,
    asked_at INTEGER NOT NULL
) STRICT;
