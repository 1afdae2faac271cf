-- +goose Up

-- No reference to accounts: deleting an account removes its sessions in the same step, and a session may outlive a move of
-- the sessions to Redis and back.
CREATE TABLE sessions (
    id               TEXT    PRIMARY KEY,
    secret_digest    TEXT    NOT NULL,
    account_id       TEXT    NOT NULL,
    email            TEXT    NOT NULL,
    email_doubtful   BOOLEAN NOT NULL,
    name             TEXT    NOT NULL,
    username         TEXT    NOT NULL,
    group_names      TEXT    NOT NULL,
    provider         TEXT    NOT NULL,
    issuer           TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    provider_session TEXT    NOT NULL,
    id_token         TEXT    NOT NULL,
    amr              TEXT    NOT NULL,
    signed_in_at     BIGINT  NOT NULL,
    auth_time        BIGINT  NOT NULL,
    last_seen        BIGINT  NOT NULL,
    expires_at       BIGINT  NOT NULL,
    idle_timeout     BIGINT  NOT NULL, -- milliseconds
    address          TEXT    NOT NULL,
    user_agent       TEXT    NOT NULL,
    remember         BOOLEAN NOT NULL
);
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE attempts (
    state_digest TEXT   PRIMARY KEY,
    browser      TEXT   NOT NULL,
    provider     TEXT   NOT NULL,
    nonce        TEXT   NOT NULL,
    verifier     TEXT   NOT NULL,
    return_to    TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX attempts_browser ON attempts (browser);
CREATE INDEX attempts_expiry ON attempts (expires_at);

CREATE TABLE failures (
    subject      TEXT   PRIMARY KEY,
    times        TEXT   NOT NULL, -- of the failures that count, oldest first
    beyond       BIGINT NOT NULL, -- failures while locked
    locked_until BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL  -- when the row says nothing any more
);
CREATE INDEX failures_expiry ON failures (expires_at);

CREATE TABLE keys (
    id         TEXT    PRIMARY KEY,
    purpose    TEXT    NOT NULL,
    material   BYTEA   NOT NULL,
    created_at BIGINT  NOT NULL,
    -- True for the key that a first start makes: there is at most one for a purpose, whoever starts at once.
    is_first   BOOLEAN NOT NULL
);
CREATE INDEX keys_purpose ON keys (purpose, created_at);
CREATE UNIQUE INDEX keys_first ON keys (purpose) WHERE is_first;

CREATE TABLE events (
    id         TEXT   PRIMARY KEY,
    at         BIGINT NOT NULL,
    seq        BIGINT NOT NULL, -- orders the events of one millisecond
    kind       TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    identifier TEXT   NOT NULL,
    actor      TEXT   NOT NULL,
    provider   TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    user_agent TEXT   NOT NULL,
    reference  TEXT   NOT NULL
);
CREATE INDEX events_at ON events (at, seq);
CREATE INDEX events_account ON events (account_id, at);

-- +goose Down
DROP TABLE events;
DROP TABLE keys;
DROP TABLE failures;
DROP TABLE attempts;
DROP TABLE sessions;
