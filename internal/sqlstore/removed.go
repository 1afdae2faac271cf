package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
)

// RemoveAccount implements account.RemovedStore.
func (d *DB) RemoveAccount(ctx context.Context, id string, now time.Time) error {
	_, err := write(ctx, d, step{"remove account", noAccount}, func(ctx context.Context, q queryer) (struct{}, error) {
		var none struct{}
		a, err := lockAccount(ctx, q, id)
		if err != nil || !a.DeletedAt.IsZero() {
			return none, err
		}
		for _, table := range []string{"one_time_tokens", "local_identifiers"} {
			if err := exec(ctx, q, "DELETE FROM "+table+" WHERE account_id = $1", id); err != nil {
				return none, err
			}
		}
		return none, exec(ctx, q, "UPDATE accounts SET state_before = state, state = 'disabled', deleted_at = $1, updated_at = $1 WHERE id = $2", ms(now), id)
	})
	return err
}

// RestoreAccount implements account.RemovedStore.
func (d *DB) RestoreAccount(ctx context.Context, id string, now time.Time) (*account.Account, error) {
	const gone = "There is no such removed account."
	return write(ctx, d, step{"restore account", gone}, func(ctx context.Context, q queryer) (*account.Account, error) {
		a, err := lockAccount(ctx, q, id)
		if err != nil {
			return nil, err
		}
		if a.DeletedAt.IsZero() {
			return nil, sql.ErrNoRows
		}
		a, err = scanAccount(q.QueryRowContext(ctx, "UPDATE accounts SET state = state_before, state_before = '', deleted_at = 0, updated_at = $1 WHERE id = $2 RETURNING "+
			accountColumns, ms(now), id))
		if err == nil {
			err = identify(ctx, q, a)
		}
		if err = taken(err, "x"); fault.Is(err, fault.Conflict) {
			return nil, fault.New(fault.Conflict, "Another account has the address or user name of the removed one by now. Remove or rename that one first.")
		}
		return a, err
	})
}

// PurgeAccounts implements account.RemovedStore.
func (d *DB) PurgeAccounts(ctx context.Context, before time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "purge removed accounts"}, "DELETE FROM accounts WHERE deleted_at > 0 AND deleted_at < $1", before)
}
