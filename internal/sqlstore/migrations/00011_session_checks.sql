-- +goose Up

ALTER TABLE sessions ADD COLUMN check_after BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN unanswered_since BIGINT NOT NULL DEFAULT 0;
CREATE INDEX sessions_provider_session ON sessions (provider, provider_session);

-- +goose Down
DROP INDEX sessions_provider_session;
ALTER TABLE sessions DROP COLUMN unanswered_since;
ALTER TABLE sessions DROP COLUMN check_after;
