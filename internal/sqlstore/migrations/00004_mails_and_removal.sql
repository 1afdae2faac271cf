-- +goose Up

-- Mails on their way. Content is sealed and goes when the mail has gone; what is left of a mail that was given up says why.
CREATE TABLE mails (
    id           TEXT   PRIMARY KEY,
    recipient    TEXT   NOT NULL,
    template     TEXT   NOT NULL,
    content      TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    tries        BIGINT NOT NULL,
    claim        TEXT   NOT NULL, -- of the process that is sending it
    leased_until BIGINT NOT NULL, -- when another may
    dead_at      BIGINT NOT NULL,
    reason       TEXT   NOT NULL  -- of the last failure
);
CREATE INDEX mails_due ON mails (due_at) WHERE dead_at = 0;

-- An account that was removed is disabled, has no names that can be typed, and keeps the rest for a while.
ALTER TABLE accounts ADD COLUMN deleted_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN state_before TEXT NOT NULL DEFAULT '';
DROP INDEX accounts_local_email;
DROP INDEX accounts_local_username;
CREATE UNIQUE INDEX accounts_local_email ON accounts (email) WHERE owner = 'local' AND email <> '' AND deleted_at = 0;
CREATE UNIQUE INDEX accounts_local_username ON accounts (username) WHERE owner = 'local' AND username <> '' AND deleted_at = 0;
CREATE INDEX accounts_deleted ON accounts (deleted_at) WHERE deleted_at > 0;

-- +goose Down
DELETE FROM accounts WHERE deleted_at > 0;
DROP INDEX accounts_deleted;
DROP INDEX accounts_local_email;
DROP INDEX accounts_local_username;
CREATE UNIQUE INDEX accounts_local_email ON accounts (email) WHERE owner = 'local' AND email <> '';
CREATE UNIQUE INDEX accounts_local_username ON accounts (username) WHERE owner = 'local' AND username <> '';
ALTER TABLE accounts DROP COLUMN deleted_at;
ALTER TABLE accounts DROP COLUMN state_before;
DROP TABLE mails;
