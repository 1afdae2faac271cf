package sqlstore

import (
	"context"
	"fmt"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/bearer"
	"crmgate/internal/fault"
)

const noAccessToken = "There is no such access token."

const accessTokenColumns = "id, account_id, name, paths, methods, created_at, expires_at, last_used_at, last_used_from"

func scanAccessToken(r row) (bearer.Token, error) {
	var t bearer.Token
	var paths, methods string
	var created, expires, used int64
	err := r.Scan(&t.ID, &t.AccountID, &t.Name, &paths, &methods, &created, &expires, &used, &t.LastUsedFrom)
	if err != nil {
		return bearer.Token{}, err
	}
	t.CreatedAt, t.ExpiresAt, t.LastUsedAt = at(created), at(expires), at(used)
	if t.Paths, err = unlist(paths); err == nil {
		t.Methods, err = unlist(methods)
	}
	if err != nil {
		return bearer.Token{}, fmt.Errorf("access token %s: %w", t.ID, err)
	}
	return t, nil
}

// CreateAccessToken implements bearer.Store. The account is locked, so that of many who ask at once no more than limit get one.
func (d *DB) CreateAccessToken(ctx context.Context, t bearer.Token, digest string, limit int) error {
	_, err := write(ctx, d, step{"create access token", noAccount}, func(ctx context.Context, q queryer) (struct{}, error) {
		var none struct{}
		a, err := lockAccount(ctx, q, t.AccountID)
		if err != nil {
			return none, err
		}
		if a.State == account.Disabled {
			return none, fault.New(fault.Forbidden, isDisabled)
		}
		ids, err := all(ctx, q, scanString, "SELECT id FROM access_tokens WHERE account_id = $1 AND expires_at > $2", a.ID, ms(t.CreatedAt))
		if err != nil {
			return none, err
		}
		if len(ids) >= limit {
			return none, fault.New(fault.Conflict, fmt.Sprintf("The account has %d access tokens already. Revoke one that is not needed any more.", len(ids)))
		}
		return none, taken(exec(ctx, q, "INSERT INTO access_tokens (digest, "+accessTokenColumns+") VALUES ("+values(10)+")", digest, t.ID, a.ID, text(t.Name),
			list(t.Paths), list(t.Methods), ms(t.CreatedAt), ms(t.ExpiresAt), ms(t.LastUsedAt), text(t.LastUsedFrom)), "This access token exists already.")
	})
	return err
}

// FindAccessToken implements bearer.Store.
func (d *DB) FindAccessToken(ctx context.Context, digest string) (bearer.Token, error) {
	return read(ctx, d, step{"find access token", noAccessToken}, func(ctx context.Context, q queryer) (bearer.Token, error) {
		return scanAccessToken(q.QueryRowContext(ctx, "SELECT "+accessTokenColumns+" FROM access_tokens WHERE digest = $1", digest))
	})
}

// ListAccessTokens implements bearer.Store.
func (d *DB) ListAccessTokens(ctx context.Context, accountID string) ([]bearer.Token, error) {
	var w where
	w.equal("account_id", accountID)
	if w.impossible {
		return nil, nil
	}
	return read(ctx, d, step{verb: "list access tokens"}, func(ctx context.Context, q queryer) ([]bearer.Token, error) {
		return all(ctx, q, scanAccessToken, "SELECT "+accessTokenColumns+" FROM access_tokens"+w.String()+" ORDER BY created_at DESC, id", w.args...)
	})
}

// TouchAccessToken implements bearer.Store.
func (d *DB) TouchAccessToken(ctx context.Context, id string, used time.Time, address string) error {
	_, err := write(ctx, d, step{verb: "touch access token"}, func(ctx context.Context, q queryer) (struct{}, error) {
		return struct{}{}, exec(ctx, q, "UPDATE access_tokens SET last_used_at = $1, last_used_from = $2 WHERE id = $3 AND last_used_at < $1", ms(used), clip(address, maxField), id)
	})
	return err
}

// DeleteAccessToken implements bearer.Store.
func (d *DB) DeleteAccessToken(ctx context.Context, accountID, id string) error {
	_, err := write(ctx, d, step{verb: "delete access token"}, func(ctx context.Context, q queryer) (struct{}, error) {
		var w where
		w.equal("id", id)
		w.equal("account_id", accountID)
		if w.impossible || id == "" {
			return struct{}{}, fault.New(fault.NotFound, noAccessToken)
		}
		n, err := count(ctx, q, "DELETE FROM access_tokens"+w.String(), w.args...)
		if err == nil && n == 0 {
			err = fault.New(fault.NotFound, noAccessToken)
		}
		return struct{}{}, err
	})
	return err
}

// SweepAccessTokens implements bearer.Store.
func (d *DB) SweepAccessTokens(ctx context.Context, before time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep access tokens"}, "DELETE FROM access_tokens WHERE expires_at < $1", before)
}

// SweepEvents implements audit.Sweeper.
func (d *DB) SweepEvents(ctx context.Context, before time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep security events"}, "DELETE FROM events WHERE at < $1", before)
}

// DeleteKeys implements token.KeyStore.
func (d *DB) DeleteKeys(ctx context.Context, purpose string, except ...string) (int, error) {
	return write(ctx, d, step{verb: "delete keys"}, func(ctx context.Context, q queryer) (int, error) {
		query, args := "DELETE FROM keys WHERE purpose = $1", []any{purpose}
		for i, id := range except {
			query += fmt.Sprintf(" AND id <> $%d", i+2)
			args = append(args, id)
		}
		return count(ctx, q, query, args...)
	})
}
