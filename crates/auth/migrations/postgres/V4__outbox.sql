CREATE TABLE outbox (
    id         UUID   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    recipient  TEXT   NOT NULL,
    user_id    UUID,
    facts      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    attempts   BIGINT NOT NULL
);

CREATE INDEX outbox_due_at ON outbox (due_at);
CREATE INDEX outbox_created_at ON outbox (created_at);
CREATE INDEX outbox_recipient ON outbox (recipient);

CREATE TABLE outbox_pace (
    recipient BYTEA  NOT NULL PRIMARY KEY,
    sent_at   BIGINT NOT NULL,
    letters   BIGINT NOT NULL
);

CREATE INDEX outbox_pace_sent_at ON outbox_pace (sent_at);
