CREATE TABLE outbox (
    id         BLOB    NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL,
    recipient  TEXT    NOT NULL,
    user_id    BLOB,
    facts      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_due_at ON outbox (due_at);
CREATE INDEX outbox_created_at ON outbox (created_at);
CREATE INDEX outbox_recipient ON outbox (recipient);

CREATE TABLE outbox_pace (
    recipient BLOB    NOT NULL PRIMARY KEY,
    sent_at   INTEGER NOT NULL,
    letters   INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_pace_sent_at ON outbox_pace (sent_at);
