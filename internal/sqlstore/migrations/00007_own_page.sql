-- +goose Up

-- Where an account has signed in from: browsers by the digest of a secret in their cookie, networks by their address.
CREATE TABLE known_places (
    account_id TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind       TEXT   NOT NULL CHECK (kind IN ('browser', 'network')),
    value      TEXT   NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    PRIMARY KEY (account_id, kind, value)
);
CREATE INDEX known_places_last ON known_places (last_at);

-- When an account was last signed in to, all steps done. It outlives the places.
CREATE TABLE arrivals (
    account_id TEXT   PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    at         BIGINT NOT NULL
);

-- Links in mails by which people say, without signing in, that something was not them.
CREATE TABLE notices (
    digest     TEXT   PRIMARY KEY,
    account_id TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    about      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX notices_account ON notices (account_id);
CREATE INDEX notices_expiry ON notices (expires_at);

ALTER TABLE sessions ADD COLUMN last_sign_in BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE sessions DROP COLUMN last_sign_in;
DROP TABLE notices;
DROP TABLE arrivals;
DROP TABLE known_places;
