-- +goose Up

ALTER TABLE sessions ADD COLUMN grant_sealed TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN checked_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN factor_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN password_expires BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN password_change_url TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_provider ON sessions (provider, subject);

CREATE TABLE used_once (
    purpose    TEXT   NOT NULL,
    id         TEXT   NOT NULL, -- SHA-256 of what was used
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (purpose, id)
);
CREATE INDEX used_once_expiry ON used_once (expires_at);

-- +goose Down
DROP TABLE used_once;
DROP INDEX sessions_provider;
ALTER TABLE sessions DROP COLUMN password_change_url;
ALTER TABLE sessions DROP COLUMN password_expires;
ALTER TABLE sessions DROP COLUMN device;
ALTER TABLE sessions DROP COLUMN factor_at;
ALTER TABLE sessions DROP COLUMN checked_at;
ALTER TABLE sessions DROP COLUMN grant_sealed;
