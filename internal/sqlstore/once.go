package sqlstore

import (
	"context"
	"time"

	"crmgate/internal/token"
)

// UseOnce implements token.OnceStore.
func (d *DB) UseOnce(ctx context.Context, purpose, id string, until time.Time) error {
	_, err := write(ctx, d, step{verb: "use once"}, func(ctx context.Context, q queryer) (struct{}, error) {
		err := exec(ctx, q, "INSERT INTO used_once (purpose, id, expires_at) VALUES ($1, $2, $3)", purpose, token.Digest(id), ms(until))
		return struct{}{}, taken(err, "This was used already.")
	})
	return err
}

// SweepOnce implements token.OnceStore.
func (d *DB) SweepOnce(ctx context.Context, now time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep what was used once"}, "DELETE FROM used_once WHERE expires_at < $1", now)
}
