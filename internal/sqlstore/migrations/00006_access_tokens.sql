-- +goose Up

CREATE TABLE access_tokens (
    id             TEXT   PRIMARY KEY,
    digest         TEXT   NOT NULL UNIQUE, -- SHA-256 of the token
    account_id     TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name           TEXT   NOT NULL,
    paths          TEXT   NOT NULL,
    methods        TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    last_used_at   BIGINT NOT NULL,
    last_used_from TEXT   NOT NULL
);
CREATE INDEX access_tokens_account ON access_tokens (account_id);
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at);

-- What a refusal was about: the rule, the conditions that failed, the request.
ALTER TABLE events ADD COLUMN rule TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN detail TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN request TEXT NOT NULL DEFAULT '';
CREATE INDEX events_reference ON events (reference);

-- +goose Down
DROP INDEX events_reference;
ALTER TABLE events DROP COLUMN request;
ALTER TABLE events DROP COLUMN detail;
ALTER TABLE events DROP COLUMN rule;
DROP TABLE access_tokens;
