-- +goose Up

ALTER TABLE sessions ADD COLUMN binding TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE sessions DROP COLUMN binding;
