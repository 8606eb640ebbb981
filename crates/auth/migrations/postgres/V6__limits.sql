CREATE TABLE limits (
    id         BYTEA  NOT NULL PRIMARY KEY,
    times      BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX limits_expires_at ON limits (expires_at);

CREATE TABLE known_addresses (
    account BYTEA  NOT NULL,
    address BYTEA  NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (account, address)
);

CREATE INDEX known_addresses_seen_at ON known_addresses (seen_at);
