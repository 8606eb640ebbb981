CREATE TABLE limits (
    id         BLOB    NOT NULL PRIMARY KEY,
    times      BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX limits_expires_at ON limits (expires_at);

CREATE TABLE known_addresses (
    account BLOB    NOT NULL,
    address BLOB    NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (account, address)
) STRICT;

CREATE INDEX known_addresses_seen_at ON known_addresses (seen_at);
