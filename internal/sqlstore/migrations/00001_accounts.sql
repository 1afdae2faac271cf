-- One dialect for SQLite and PostgreSQL: TEXT, BIGINT (unix milliseconds, 0 for never), BOOLEAN, BYTEA. Lists are JSON arrays.

-- +goose Up

-- Every id that an account ever had. Rows are never removed: an id that the CRM knows must not come to mean somebody else.
CREATE TABLE account_ids (
    id TEXT PRIMARY KEY CHECK (id <> '')
);

CREATE TABLE accounts (
    id           TEXT PRIMARY KEY REFERENCES account_ids (id),
    owner        TEXT   NOT NULL CHECK (owner <> ''),
    email        TEXT   NOT NULL,
    username     TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    group_names  TEXT   NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('invited', 'active', 'disabled')),
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    last_sign_in BIGINT NOT NULL,
    -- What the tables of local credentials point at: they name the owner too.
    UNIQUE (id, owner)
);
CREATE INDEX accounts_email ON accounts (email);
CREATE UNIQUE INDEX accounts_local_email ON accounts (email) WHERE owner = 'local' AND email <> '';
CREATE UNIQUE INDEX accounts_local_username ON accounts (username) WHERE owner = 'local' AND username <> '';

-- The three tables below hold what only a local account may have. The owner in each can be nothing but 'local' and has to be
-- the account's, so an account of a provider cannot get a row, and an account with a row cannot change its owner.

-- What a person may type to mean a local account: one name space for addresses and user names.
CREATE TABLE local_identifiers (
    identifier TEXT PRIMARY KEY CHECK (identifier <> ''),
    account_id TEXT NOT NULL,
    owner      TEXT NOT NULL DEFAULT 'local' CHECK (owner = 'local'),
    FOREIGN KEY (account_id, owner) REFERENCES accounts (id, owner) ON DELETE CASCADE
);
CREATE INDEX local_identifiers_account ON local_identifiers (account_id);

CREATE TABLE passwords (
    account_id TEXT   PRIMARY KEY,
    owner      TEXT   NOT NULL DEFAULT 'local' CHECK (owner = 'local'),
    hash       TEXT   NOT NULL CHECK (hash <> ''),
    previous   TEXT   NOT NULL,
    changed_at BIGINT NOT NULL,
    FOREIGN KEY (account_id, owner) REFERENCES accounts (id, owner) ON DELETE CASCADE
);

CREATE TABLE one_time_tokens (
    digest     TEXT   PRIMARY KEY,
    account_id TEXT   NOT NULL,
    owner      TEXT   NOT NULL DEFAULT 'local' CHECK (owner = 'local'),
    purpose    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    address    TEXT   NOT NULL,
    FOREIGN KEY (account_id, owner) REFERENCES accounts (id, owner) ON DELETE CASCADE
);
CREATE INDEX one_time_tokens_account ON one_time_tokens (account_id);
CREATE INDEX one_time_tokens_expiry ON one_time_tokens (expires_at);

CREATE TABLE links (
    provider   TEXT NOT NULL CHECK (provider NOT IN ('', 'local')),
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL CHECK (subject <> ''),
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, issuer, subject)
);
CREATE INDEX links_account ON links (account_id);

-- +goose Down
DROP TABLE links;
DROP TABLE one_time_tokens;
DROP TABLE passwords;
DROP TABLE local_identifiers;
DROP TABLE accounts;
DROP TABLE account_ids;
