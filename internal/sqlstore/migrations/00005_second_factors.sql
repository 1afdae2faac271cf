-- +goose Up

CREATE TABLE factors (
    id         TEXT   PRIMARY KEY,
    account_id TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind       TEXT   NOT NULL CHECK (kind <> ''),
    name       TEXT   NOT NULL,
    lookup     TEXT   NOT NULL, -- digest; '' for none
    secret     TEXT   NOT NULL, -- sealed for the account
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
CREATE INDEX factors_account ON factors (account_id);
CREATE UNIQUE INDEX factors_lookup ON factors (lookup) WHERE lookup <> '';

-- When an account was first told to set a factor up.
CREATE TABLE factor_prompts (
    account_id TEXT   PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    at         BIGINT NOT NULL
);

CREATE TABLE remembered_devices (
    id         TEXT   PRIMARY KEY,
    account_id TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    digest     TEXT   NOT NULL UNIQUE,
    name       TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX remembered_devices_account ON remembered_devices (account_id);
CREATE INDEX remembered_devices_expiry ON remembered_devices (expires_at);

-- Sign-ins and steps that wait for a second factor.
CREATE TABLE pending (
    digest     TEXT   PRIMARY KEY,
    holder     TEXT   NOT NULL,
    state      TEXT   NOT NULL, -- sealed
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pending_holder ON pending (holder);
CREATE INDEX pending_expiry ON pending (expires_at);

-- +goose Down
DROP TABLE pending;
DROP TABLE remembered_devices;
DROP TABLE factor_prompts;
DROP TABLE factors;
