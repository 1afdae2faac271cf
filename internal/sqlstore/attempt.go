package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"crmgate/internal/session"
)

const attemptColumns = "state_digest, browser, provider, nonce, verifier, return_to, created_at, expires_at"

func scanAttempt(r row) (session.Attempt, error) {
	var a session.Attempt
	var created, expires int64
	err := r.Scan(&a.StateDigest, &a.Browser, &a.Provider, &a.Nonce, &a.Verifier, &a.ReturnTo, &created, &expires)
	a.CreatedAt, a.ExpiresAt = at(created), at(expires)
	return a, err
}

// CreateAttempt implements session.AttemptStore.
func (d *DB) CreateAttempt(ctx context.Context, a session.Attempt, keep int) error {
	_, err := write(ctx, d, step{verb: "create attempt"}, func(ctx context.Context, q queryer) (struct{}, error) {
		err := exec(ctx, q, "INSERT INTO attempts ("+attemptColumns+") VALUES ("+values(8)+")",
			a.StateDigest, a.Browser, a.Provider, a.Nonce, a.Verifier, text(a.ReturnTo), ms(a.CreatedAt), ms(a.ExpiresAt))
		if err != nil {
			return struct{}{}, taken(err, "This attempt exists already.")
		}
		// The new one comes first whatever the clock says: two tabs can be opened in one millisecond.
		return struct{}{}, exec(ctx, q, `DELETE FROM attempts WHERE browser = $1 AND state_digest NOT IN (
			SELECT state_digest FROM attempts WHERE browser = $1
			ORDER BY CASE WHEN state_digest = $2 THEN 0 ELSE 1 END, created_at DESC, state_digest`+limit(keep)+`)`,
			a.Browser, a.StateDigest)
	})
	return err
}

// TakeAttempt implements session.AttemptStore.
func (d *DB) TakeAttempt(ctx context.Context, stateDigest, browser, provider string, now time.Time) (session.Attempt, error) {
	s := step{"take attempt", "This sign-in is no longer under way."}
	return write(ctx, d, s, func(ctx context.Context, q queryer) (session.Attempt, error) {
		if !storable(stateDigest + browser + provider) {
			return session.Attempt{}, sql.ErrNoRows
		}
		return scanAttempt(q.QueryRowContext(ctx, `DELETE FROM attempts WHERE state_digest = $1 AND browser = $2 AND provider = $3 AND expires_at > $4
			RETURNING `+attemptColumns, stateDigest, browser, provider, ms(now)))
	})
}

// SweepAttempts implements session.AttemptStore.
func (d *DB) SweepAttempts(ctx context.Context, now time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep attempts"}, "DELETE FROM attempts WHERE expires_at < $1", now)
}
