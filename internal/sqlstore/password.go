package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
)

func scanPassword(r row) (account.Password, error) {
	var p account.Password
	var previous string
	var changed int64
	if err := r.Scan(&p.Hash, &previous, &changed); err != nil {
		return account.Password{}, err
	}
	p.ChangedAt = at(changed)
	var err error
	p.Previous, err = unlist(previous)
	return p, err
}

// getPassword returns an account's password, zero where it has none.
func getPassword(ctx context.Context, q queryer, id string) (account.Password, error) {
	p, err := scanPassword(q.QueryRowContext(ctx, "SELECT hash, previous, changed_at FROM passwords WHERE account_id = $1", id))
	if errors.Is(err, sql.ErrNoRows) {
		return account.Password{}, nil
	}
	return p, err
}

// GetPassword implements account.PasswordStore.
func (d *DB) GetPassword(ctx context.Context, l account.Local) (account.Password, error) {
	return read(ctx, d, step{verb: "get password"}, func(ctx context.Context, q queryer) (account.Password, error) {
		return getPassword(ctx, q, l.AccountID())
	})
}

// SetPassword implements account.PasswordStore. An account that a provider owns by now is fault.Conflict.
func (d *DB) SetPassword(ctx context.Context, l account.Local, hash string, history int, now time.Time) error {
	_, err := write(ctx, d, step{"set password", noAccount}, func(ctx context.Context, q queryer) (struct{}, error) {
		a, err := lockLocal(ctx, q, l)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, setPassword(ctx, q, a, hash, history, now)
	})
	return err
}

// ReplacePassword implements account.PasswordStore.
func (d *DB) ReplacePassword(ctx context.Context, l account.Local, old, hash string, history int, now time.Time) error {
	_, err := write(ctx, d, step{"replace password", noAccount}, func(ctx context.Context, q queryer) (struct{}, error) {
		a, err := lockLocal(ctx, q, l)
		if err != nil {
			return struct{}{}, err
		}
		is, err := getPassword(ctx, q, a.ID)
		if err != nil {
			return struct{}{}, err
		}
		if is.Hash != old {
			return struct{}{}, fault.New(fault.Conflict, "The password was changed meanwhile.")
		}
		return struct{}{}, setPassword(ctx, q, a, hash, history, now)
	})
	return err
}

// setPassword is SetPassword for a local account whose row is locked.
func setPassword(ctx context.Context, q queryer, a *account.Account, hash string, history int, now time.Time) error {
	old, err := getPassword(ctx, q, a.ID)
	if err != nil {
		return err
	}
	var previous []string
	if old.Hash != "" {
		previous = append([]string{old.Hash}, old.Previous...)
	}
	previous = previous[:min(len(previous), max(history, 0))]
	err = exec(ctx, q, `INSERT INTO passwords (account_id, hash, previous, changed_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, previous = excluded.previous, changed_at = excluded.changed_at`,
		a.ID, hash, list(previous), ms(now))
	if err != nil {
		return err
	}
	if a.State == account.Invited {
		err = exec(ctx, q, "UPDATE accounts SET state = 'active', updated_at = $1 WHERE id = $2", ms(now), a.ID)
		if err != nil {
			return err
		}
	}
	if err := dropDevices(ctx, q, a.ID); err != nil {
		return err
	}
	return exec(ctx, q, "DELETE FROM one_time_tokens WHERE account_id = $1", a.ID)
}

// UpgradeHash implements account.PasswordStore.
func (d *DB) UpgradeHash(ctx context.Context, l account.Local, old, hash string) error {
	_, err := write(ctx, d, step{verb: "upgrade password hash"}, func(ctx context.Context, q queryer) (struct{}, error) {
		return struct{}{}, exec(ctx, q, "UPDATE passwords SET hash = $1 WHERE account_id = $2 AND hash = $3", hash, l.AccountID(), old)
	})
	return err
}
