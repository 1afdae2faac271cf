package sqlstore

import (
	"context"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/mfa"
)

const (
	noFactor      = "There is no such second step."
	factorColumns = "id, account_id, kind, name, lookup, secret, created_at, used_at"
)

func scanFactor(r row) (mfa.Enrolment, error) {
	var e mfa.Enrolment
	var created, used int64
	err := r.Scan(&e.ID, &e.AccountID, &e.Kind, &e.Name, &e.Lookup, &e.Secret, &created, &used)
	e.CreatedAt, e.UsedAt = at(created), at(used)
	return e, err
}

// CreateFactor implements mfa.Store. The account's row is locked first, so that those who count its factors come one after another.
func (d *DB) CreateFactor(ctx context.Context, e mfa.Enrolment, most int, onlyFirst bool) error {
	_, err := write(ctx, d, step{"create factor", noAccount}, func(ctx context.Context, q queryer) (struct{}, error) {
		var none struct{}
		if _, err := lockAccount(ctx, q, e.AccountID); err != nil {
			return none, err
		}
		var n, real int
		err := q.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(CASE WHEN kind = $1 THEN 0 ELSE 1 END), 0) FROM factors WHERE account_id = $2",
			mfa.Recovery, e.AccountID).Scan(&n, &real)
		switch {
		case err != nil:
			return none, err
		case n >= most:
			return none, fault.New(fault.Conflict, "You have as many second steps as there may be. Remove one first.").WithReason("factors_full")
		case onlyFirst && real > 0:
			return none, fault.New(fault.Conflict, "A second step was set up meanwhile. Please sign in again and use it.").WithReason("factor_exists").WithNext(fault.NextSignIn)
		}
		err = exec(ctx, q, "INSERT INTO factors ("+factorColumns+") VALUES ("+values(8)+")",
			e.ID, e.AccountID, e.Kind, text(e.Name), e.Lookup, e.Secret, ms(e.CreatedAt), ms(e.UsedAt))
		return none, taken(err, "This is set up already.")
	})
	return err
}

// ListFactors implements mfa.Store.
func (d *DB) ListFactors(ctx context.Context, accountID string) ([]mfa.Enrolment, error) {
	return read(ctx, d, step{verb: "list factors"}, func(ctx context.Context, q queryer) ([]mfa.Enrolment, error) {
		return all(ctx, q, scanFactor, "SELECT "+factorColumns+" FROM factors WHERE account_id = $1 ORDER BY created_at, id", accountID)
	})
}

// FindFactor implements mfa.Store.
func (d *DB) FindFactor(ctx context.Context, lookup string) (mfa.Enrolment, error) {
	return read(ctx, d, step{"find factor", noFactor}, func(ctx context.Context, q queryer) (mfa.Enrolment, error) {
		return scanFactor(q.QueryRowContext(ctx, "SELECT "+factorColumns+" FROM factors WHERE lookup = $1 AND lookup <> ''", lookup))
	})
}

// UpdateFactor implements mfa.Store. The row is locked by a change that changes nothing before it is read, as in UpdateSession.
func (d *DB) UpdateFactor(ctx context.Context, accountID, id string, change func(*mfa.Enrolment) error) (mfa.Enrolment, error) {
	return write(ctx, d, step{"update factor", noFactor}, func(ctx context.Context, q queryer) (mfa.Enrolment, error) {
		e, err := scanFactor(q.QueryRowContext(ctx, "UPDATE factors SET id = id WHERE id = $1 AND account_id = $2 RETURNING "+factorColumns, id, accountID))
		if err != nil {
			return mfa.Enrolment{}, err
		}
		changed := e
		if err := change(&changed); err != nil {
			return mfa.Enrolment{}, err
		}
		e.Name, e.Secret, e.UsedAt = text(changed.Name), changed.Secret, changed.UsedAt
		return e, exec(ctx, q, "UPDATE factors SET name = $1, secret = $2, used_at = $3 WHERE id = $4", e.Name, e.Secret, ms(e.UsedAt), id)
	})
}

// DeleteFactor implements mfa.Store.
func (d *DB) DeleteFactor(ctx context.Context, accountID, id string) error {
	_, err := write(ctx, d, step{verb: "delete factor"}, func(ctx context.Context, q queryer) (struct{}, error) {
		n, err := count(ctx, q, "DELETE FROM factors WHERE id = $1 AND account_id = $2", id, accountID)
		if err == nil && n == 0 {
			err = fault.New(fault.NotFound, noFactor)
		}
		return struct{}{}, err
	})
	return err
}

// DeleteFactors implements mfa.Store.
func (d *DB) DeleteFactors(ctx context.Context, accountID string) (int, error) {
	return write(ctx, d, step{verb: "delete factors"}, func(ctx context.Context, q queryer) (int, error) {
		return dropFactors(ctx, q, accountID)
	})
}

// dropFactors removes an account's factors and devices and returns how many factors there were.
func dropFactors(ctx context.Context, q queryer, accountID string) (int, error) {
	if err := dropDevices(ctx, q, accountID); err != nil {
		return 0, err
	}
	return count(ctx, q, "DELETE FROM factors WHERE account_id = $1", accountID)
}

// FirstPrompted implements mfa.Store.
func (d *DB) FirstPrompted(ctx context.Context, accountID string, now time.Time) (time.Time, error) {
	return write(ctx, d, step{"note prompt", noAccount}, func(ctx context.Context, q queryer) (time.Time, error) {
		var first int64
		err := q.QueryRowContext(ctx, `INSERT INTO factor_prompts (account_id, at) VALUES ($1, $2)
			ON CONFLICT (account_id) DO UPDATE SET at = factor_prompts.at RETURNING at`, accountID, ms(now)).Scan(&first)
		return at(first), err
	})
}
