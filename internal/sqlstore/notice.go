package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
)

// CreateNotice implements account.NoticeStore.
func (d *DB) CreateNotice(ctx context.Context, n account.Notice, keep int) error {
	_, err := write(ctx, d, step{"create notice", noAccount}, func(ctx context.Context, q queryer) (struct{}, error) {
		var none struct{}
		a, err := lockAccount(ctx, q, n.AccountID)
		if err != nil {
			return none, err
		}
		if a.State == account.Disabled {
			return none, fault.New(fault.Forbidden, isDisabled)
		}
		err = exec(ctx, q, "INSERT INTO notices (digest, account_id, about, created_at, expires_at) VALUES ("+values(5)+")",
			n.Digest, a.ID, text(n.About), ms(n.CreatedAt), ms(n.ExpiresAt))
		if err != nil {
			return none, taken(err, "This notice exists already.")
		}
		return none, exec(ctx, q, `DELETE FROM notices WHERE account_id = $1 AND digest NOT IN (
			SELECT digest FROM notices WHERE account_id = $1
			ORDER BY CASE WHEN digest = $2 THEN 0 ELSE 1 END, created_at DESC, digest`+limit(keep)+`)`, a.ID, n.Digest)
	})
	return err
}

// GetNotice implements account.NoticeStore.
func (d *DB) GetNotice(ctx context.Context, digest string, now time.Time) (account.Notice, error) {
	return read(ctx, d, step{"get notice", noToken}, func(ctx context.Context, q queryer) (account.Notice, error) {
		var n account.Notice
		var created, expires int64
		err := q.QueryRowContext(ctx, `SELECT n.digest, n.account_id, n.about, n.created_at, n.expires_at
			FROM notices n JOIN accounts a ON a.id = n.account_id
			WHERE n.digest = $1 AND n.expires_at > $2 AND a.state <> 'disabled'`, digest, ms(now)).Scan(&n.Digest, &n.AccountID, &n.About, &created, &expires)
		n.CreatedAt, n.ExpiresAt = at(created), at(expires)
		return n, err
	})
}

// closed is what CloseAccount returns.
type closed struct {
	account *account.Account
	about   string
}

// CloseAccount implements account.NoticeStore.
func (d *DB) CloseAccount(ctx context.Context, c account.Closing) (*account.Account, string, error) {
	done, err := write(ctx, d, step{"close account", noAccount}, func(ctx context.Context, q queryer) (closed, error) {
		a, about, err := closing(ctx, q, c)
		if err != nil {
			return closed{}, err
		}
		for _, table := range []string{"notices", "remembered_devices", "access_tokens", "known_places"} {
			if err := exec(ctx, q, "DELETE FROM "+table+" WHERE account_id = $1", a.ID); err != nil {
				return closed{}, err
			}
		}
		if err := voidPassword(ctx, q, a, c); err != nil {
			return closed{}, err
		}
		after := *a
		after.State, after.UpdatedAt = account.Disabled, c.Now
		return closed{&after, about}, saveAccount(ctx, q, a, &after)
	})
	return done.account, done.about, err
}

// closing locks the account that is to be closed, and uses up the notice that says so. The account is locked before the notice is taken: of
// many who come with one link the second finds it gone.
func closing(ctx context.Context, q queryer, c account.Closing) (a *account.Account, about string, err error) {
	if c.Digest == "" {
		a, err = lockAccount(ctx, q, c.AccountID)
		return a, "", err
	}
	a, err = scanAccount(q.QueryRowContext(ctx, `UPDATE accounts SET state = state
		WHERE id = (SELECT account_id FROM notices WHERE digest = $1) AND state <> 'disabled' RETURNING `+accountColumns, c.Digest))
	if err != nil {
		return nil, "", err
	}
	err = q.QueryRowContext(ctx, "DELETE FROM notices WHERE digest = $1 AND expires_at > $2 AND account_id = $3 RETURNING about",
		c.Digest, ms(c.Now), a.ID).Scan(&about)
	return a, about, err
}

// voidPassword replaces the password of a local account that has one.
func voidPassword(ctx context.Context, q queryer, a *account.Account, c account.Closing) error {
	if a.Owner != account.OwnerLocal {
		return nil
	}
	is, err := getPassword(ctx, q, a.ID)
	if err != nil || is.Hash == "" {
		return err
	}
	return setPassword(ctx, q, a, c.Hash, c.History, c.Now)
}

// SweepNotices implements account.NoticeStore.
func (d *DB) SweepNotices(ctx context.Context, now time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep notices"}, "DELETE FROM notices WHERE expires_at < $1", now)
}

// LastArrival implements account.PlaceStore.
func (d *DB) LastArrival(ctx context.Context, accountID string) (time.Time, error) {
	return read(ctx, d, step{verb: "get last arrival"}, func(ctx context.Context, q queryer) (time.Time, error) {
		return lastArrival(ctx, q, accountID)
	})
}

func lastArrival(ctx context.Context, q queryer, accountID string) (time.Time, error) {
	var last int64
	err := q.QueryRowContext(ctx, "SELECT at FROM arrivals WHERE account_id = $1", accountID).Scan(&last)
	if err == sql.ErrNoRows {
		return time.Time{}, nil
	}
	return at(last), err
}

// NotePlace implements account.PlaceStore. The account is locked, so that of two first sign-ins at once one is the first.
func (d *DB) NotePlace(ctx context.Context, accountID string, p account.Place, now time.Time, keep int) (account.Known, error) {
	return write(ctx, d, step{"note place", noAccount}, func(ctx context.Context, q queryer) (account.Known, error) {
		var known account.Known
		if _, err := lockAccount(ctx, q, accountID); err != nil {
			return known, err
		}
		last, err := lastArrival(ctx, q, accountID)
		if err != nil {
			return known, err
		}
		known.First = last.IsZero()
		err = exec(ctx, q, `INSERT INTO arrivals (account_id, at) VALUES ($1, $2)
			ON CONFLICT (account_id) DO UPDATE SET at = CASE WHEN arrivals.at < excluded.at THEN excluded.at ELSE arrivals.at END`, accountID, ms(now))
		if err != nil {
			return known, err
		}
		for _, digest := range p.Browsers {
			if ok, err := seePlace(ctx, q, accountID, "browser", digest, now); err != nil {
				return known, err
			} else if ok {
				known.Browser = digest
				break
			}
		}
		if known.Browser == "" {
			if err := addPlace(ctx, q, accountID, "browser", p.Fresh, now, keep); err != nil {
				return known, err
			}
		}
		if known.Network = p.Network == ""; known.Network {
			return known, nil
		}
		if known.Network, err = seePlace(ctx, q, accountID, "network", p.Network, now); err != nil || known.Network {
			return known, err
		}
		return known, addPlace(ctx, q, accountID, "network", p.Network, now, keep)
	})
}

// seePlace notes a sign-in from a place that is known, and reports whether it is.
func seePlace(ctx context.Context, q queryer, accountID, kind, value string, now time.Time) (bool, error) {
	n, err := count(ctx, q, "UPDATE known_places SET last_at = CASE WHEN last_at < $1 THEN $1 ELSE last_at END WHERE account_id = $2 AND kind = $3 AND value = $4",
		ms(now), accountID, kind, value)
	return n == 1, err
}

// addPlace remembers a place and forgets those beyond keep that were not used for longest.
func addPlace(ctx context.Context, q queryer, accountID, kind, value string, now time.Time, keep int) error {
	err := exec(ctx, q, "INSERT INTO known_places (account_id, kind, value, first_at, last_at) VALUES ($1, $2, $3, $4, $4)", accountID, kind, value, ms(now))
	if err != nil {
		return err
	}
	return exec(ctx, q, `DELETE FROM known_places WHERE account_id = $1 AND kind = $2 AND value NOT IN (
		SELECT value FROM known_places WHERE account_id = $1 AND kind = $2
		ORDER BY CASE WHEN value = $3 THEN 0 ELSE 1 END, last_at DESC, value`+limit(keep)+`)`, accountID, kind, value)
}

// SweepPlaces implements account.PlaceStore.
func (d *DB) SweepPlaces(ctx context.Context, since time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep places"}, "DELETE FROM known_places WHERE last_at < $1", since)
}
