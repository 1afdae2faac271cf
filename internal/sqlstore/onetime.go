package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"crmgate/internal/account"
)

const noToken = "This link no longer works."

// CreateToken implements account.TokenStore. The account is l's, whatever t says; one that a provider owns by now is
// fault.Conflict, a disabled one fault.Forbidden.
func (d *DB) CreateToken(ctx context.Context, l account.Local, t account.OneTime) error {
	_, err := write(ctx, d, step{"create one-time token", noAccount}, func(ctx context.Context, q queryer) (struct{}, error) {
		var none struct{}
		a, err := lockLocal(ctx, q, l)
		if err != nil {
			return none, err
		}
		err = exec(ctx, q, "DELETE FROM one_time_tokens WHERE account_id = $1 AND purpose = $2", a.ID, t.Purpose)
		if err != nil {
			return none, err
		}
		return none, taken(exec(ctx, q, `INSERT INTO one_time_tokens (digest, account_id, purpose, created_at, expires_at, address)
			VALUES ($1, $2, $3, $4, $5, $6)`, t.Digest, a.ID, t.Purpose, ms(t.CreatedAt), ms(t.ExpiresAt), text(t.Address)),
			"This token exists already.")
	})
	return err
}

// GetToken implements account.TokenStore.
func (d *DB) GetToken(ctx context.Context, digest string, p account.Purpose, now time.Time) (account.OneTime, error) {
	return read(ctx, d, step{"get one-time token", noToken}, func(ctx context.Context, q queryer) (account.OneTime, error) {
		var t account.OneTime
		var created, expires int64
		err := q.QueryRowContext(ctx, `SELECT t.digest, t.account_id, t.purpose, t.created_at, t.expires_at, t.address
			FROM one_time_tokens t JOIN accounts a ON a.id = t.account_id
			WHERE t.digest = $1 AND t.purpose = $2 AND t.expires_at > $3 AND a.owner = 'local' AND a.state <> 'disabled'`,
			digest, p, ms(now)).Scan(&t.Digest, &t.AccountID, &t.Purpose, &created, &expires, &t.Address)
		t.CreatedAt, t.ExpiresAt = at(created), at(expires)
		return t, err
	})
}

// useToken uses a token up and returns its account. The account is locked before the token is looked at: of many who come with one
// token the second finds it gone.
func useToken(ctx context.Context, q queryer, digest string, p account.Purpose, now time.Time) (*account.Account, error) {
	a, err := scanAccount(q.QueryRowContext(ctx, `UPDATE accounts SET state = state
		WHERE id = (SELECT account_id FROM one_time_tokens WHERE digest = $1) AND owner = 'local' AND state <> 'disabled'
		RETURNING `+accountColumns, digest))
	if err != nil {
		return nil, err
	}
	n, err := count(ctx, q, "DELETE FROM one_time_tokens WHERE digest = $1 AND purpose = $2 AND expires_at > $3 AND account_id = $4",
		digest, p, ms(now), a.ID)
	if err != nil {
		return nil, err
	}
	if n != 1 {
		return nil, sql.ErrNoRows
	}
	return a, nil
}

// RedeemToken implements account.TokenStore.
func (d *DB) RedeemToken(ctx context.Context, digest string, p account.Purpose, now time.Time, hash string, history int) (string, error) {
	return write(ctx, d, step{"redeem one-time token", noToken}, func(ctx context.Context, q queryer) (string, error) {
		a, err := useToken(ctx, q, digest, p, now)
		if err != nil {
			return "", err
		}
		return a.ID, setPassword(ctx, q, a, hash, history, now)
	})
}

// WithdrawReset implements account.TokenStore.
func (d *DB) WithdrawReset(ctx context.Context, digest string, now time.Time) (string, error) {
	return write(ctx, d, step{"withdraw reset", noToken}, func(ctx context.Context, q queryer) (string, error) {
		a, err := useToken(ctx, q, digest, account.ForWithdrawal, now)
		if err != nil {
			return "", err
		}
		return a.ID, exec(ctx, q, "DELETE FROM one_time_tokens WHERE account_id = $1 AND purpose = $2", a.ID, account.ForReset)
	})
}

// SweepTokens implements account.TokenStore.
func (d *DB) SweepTokens(ctx context.Context, now time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep one-time tokens"}, "DELETE FROM one_time_tokens WHERE expires_at < $1", now)
}

// sweep runs a statement that removes what expired before now.
func (d *DB) sweep(ctx context.Context, s step, statement string, now time.Time) (int, error) {
	return write(ctx, d, s, func(ctx context.Context, q queryer) (int, error) {
		return count(ctx, q, statement, ms(now))
	})
}
