CREATE TABLE deliveries (
    event_id   BLOB    NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL
) STRICT;

CREATE INDEX deliveries_due_at ON deliveries (due_at);
CREATE INDEX deliveries_created_at ON deliveries (created_at);
