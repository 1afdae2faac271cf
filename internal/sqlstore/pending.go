package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"crmgate/internal/session"
)

const (
	noPending      = "This step is no longer under way."
	pendingColumns = "digest, holder, state, created_at, expires_at"
	// thisPending picks one by ticket, holder and time.
	thisPending = " WHERE digest = $1 AND holder = $2 AND holder <> '' AND expires_at > $3"
)

func scanPending(r row) (session.Pending, error) {
	var p session.Pending
	var created, expires int64
	err := r.Scan(&p.Digest, &p.Holder, &p.State, &created, &expires)
	p.CreatedAt, p.ExpiresAt = at(created), at(expires)
	return p, err
}

// CreatePending implements session.PendingStore.
func (d *DB) CreatePending(ctx context.Context, p session.Pending, keep int) error {
	_, err := write(ctx, d, step{verb: "create pending step"}, func(ctx context.Context, q queryer) (struct{}, error) {
		err := exec(ctx, q, "INSERT INTO pending ("+pendingColumns+") VALUES ("+values(5)+")", p.Digest, p.Holder, p.State, ms(p.CreatedAt), ms(p.ExpiresAt))
		if err != nil {
			return struct{}{}, taken(err, "This step exists already.")
		}
		return struct{}{}, exec(ctx, q, `DELETE FROM pending WHERE holder = $1 AND digest NOT IN (
			SELECT digest FROM pending WHERE holder = $1
			ORDER BY CASE WHEN digest = $2 THEN 0 ELSE 1 END, created_at DESC, digest`+limit(keep)+`)`, p.Holder, p.Digest)
	})
	return err
}

// GetPending implements session.PendingStore.
func (d *DB) GetPending(ctx context.Context, digest, holder string, now time.Time) (session.Pending, error) {
	return read(ctx, d, step{"get pending step", noPending}, func(ctx context.Context, q queryer) (session.Pending, error) {
		if !storable(digest + holder) {
			return session.Pending{}, sql.ErrNoRows
		}
		return scanPending(q.QueryRowContext(ctx, "SELECT "+pendingColumns+" FROM pending"+thisPending, digest, holder, ms(now)))
	})
}

// UpdatePending implements session.PendingStore. The row is locked before it is read, as in UpdateSession.
func (d *DB) UpdatePending(ctx context.Context, digest, holder string, now time.Time, change func(*session.Pending) error) (session.Pending, error) {
	return write(ctx, d, step{"update pending step", noPending}, func(ctx context.Context, q queryer) (session.Pending, error) {
		if !storable(digest + holder) {
			return session.Pending{}, sql.ErrNoRows
		}
		p, err := scanPending(q.QueryRowContext(ctx, "UPDATE pending SET digest = digest"+thisPending+" RETURNING "+pendingColumns, digest, holder, ms(now)))
		if err != nil {
			return session.Pending{}, err
		}
		changed := p
		if err := change(&changed); err != nil {
			return session.Pending{}, err
		}
		p.State = changed.State
		return p, exec(ctx, q, "UPDATE pending SET state = $1 WHERE digest = $2", p.State, p.Digest)
	})
}

// TakePending implements session.PendingStore.
func (d *DB) TakePending(ctx context.Context, digest, holder string, now time.Time) (session.Pending, error) {
	return write(ctx, d, step{"take pending step", noPending}, func(ctx context.Context, q queryer) (session.Pending, error) {
		if !storable(digest + holder) {
			return session.Pending{}, sql.ErrNoRows
		}
		return scanPending(q.QueryRowContext(ctx, "DELETE FROM pending"+thisPending+" RETURNING "+pendingColumns, digest, holder, ms(now)))
	})
}

// SweepPending implements session.PendingStore.
func (d *DB) SweepPending(ctx context.Context, now time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep pending steps"}, "DELETE FROM pending WHERE expires_at < $1", now)
}
