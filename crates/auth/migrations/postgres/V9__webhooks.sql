CREATE TABLE deliveries (
    event_id   UUID   NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    attempts   BIGINT NOT NULL
);

CREATE INDEX deliveries_due_at ON deliveries (due_at);
CREATE INDEX deliveries_created_at ON deliveries (created_at);
