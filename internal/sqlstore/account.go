package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"crmgate/internal/account"
	"crmgate/internal/fault"
)

const (
	noAccount  = "There is no such account."
	nameTaken  = "Another local account already uses this address or user name."
	linkTaken  = "This corporate identity already belongs to another account."
	notLocal   = "The account signs in with its provider; it has no password here."
	isDisabled = "The account is disabled."
)

const accountColumns = "id, owner, email, username, name, group_names, state, created_at, updated_at, last_sign_in, deleted_at"

func scanAccount(r row) (*account.Account, error) {
	var a account.Account
	var groups string
	var created, updated, signedIn, deleted int64
	err := r.Scan(&a.ID, &a.Owner, &a.Email, &a.Username, &a.Name, &groups, &a.State, &created, &updated, &signedIn, &deleted)
	if err != nil {
		return nil, err
	}
	a.CreatedAt, a.UpdatedAt, a.LastSignIn, a.DeletedAt = at(created), at(updated), at(signedIn), at(deleted)
	if a.Groups, err = unlist(groups); err != nil {
		return nil, fmt.Errorf("account %s: %w", a.ID, err)
	}
	return &a, nil
}

// lockAccount returns an account and keeps everybody else from changing it until the transaction ends. An UPDATE that changes
// nothing is how both engines lock a row.
func lockAccount(ctx context.Context, q queryer, id string) (*account.Account, error) {
	if !storable(id) {
		return nil, sql.ErrNoRows
	}
	return scanAccount(q.QueryRowContext(ctx, "UPDATE accounts SET state = state WHERE id = $1 RETURNING "+accountColumns, id))
}

// lockLocal is lockAccount for an account that may still hold a password.
func lockLocal(ctx context.Context, q queryer, l account.Local) (*account.Account, error) {
	a, err := lockAccount(ctx, q, l.AccountID())
	switch {
	case err != nil:
		return nil, err
	case a.Owner != account.OwnerLocal:
		return nil, fault.New(fault.Conflict, notLocal)
	case a.State == account.Disabled:
		return nil, fault.New(fault.Forbidden, isDisabled)
	}
	return a, nil
}

// CreateAccount implements account.Store.
func (d *DB) CreateAccount(ctx context.Context, a *account.Account, link *account.Link) error {
	if !storable(a.ID+a.Owner+a.Email+a.Username) || link != nil && !storable(link.Provider+link.Issuer+link.Subject) {
		return fault.New(fault.Invalid, "The account's names hold characters that cannot be kept.")
	}
	_, err := write(ctx, d, step{verb: "create account"}, func(ctx context.Context, q queryer) (struct{}, error) {
		var none struct{}
		err := exec(ctx, q, "INSERT INTO account_ids (id) VALUES ($1)", a.ID)
		if err != nil {
			return none, taken(err, "An account with this id existed before.")
		}
		err = exec(ctx, q, "INSERT INTO accounts ("+accountColumns+") VALUES ("+values(11)+")",
			a.ID, a.Owner, a.Email, a.Username, text(a.Name), list(a.Groups), a.State, ms(a.CreatedAt), ms(a.UpdatedAt), ms(a.LastSignIn), 0)
		if err != nil {
			return none, taken(err, nameTaken)
		}
		if err := identify(ctx, q, a); err != nil {
			return none, err
		}
		if link == nil {
			return none, nil
		}
		return none, tie(ctx, q, a.ID, *link)
	})
	return err
}

// identify writes down what may be typed to mean a local account.
func identify(ctx context.Context, q queryer, a *account.Account) error {
	if a.Owner != account.OwnerLocal {
		return nil
	}
	if err := exec(ctx, q, "DELETE FROM local_identifiers WHERE account_id = $1", a.ID); err != nil {
		return err
	}
	for i, identifier := range []string{a.Email, a.Username} {
		if identifier == "" || i == 1 && identifier == a.Email {
			continue
		}
		err := exec(ctx, q, "INSERT INTO local_identifiers (identifier, account_id) VALUES ($1, $2)", identifier, a.ID)
		if err != nil {
			return taken(err, nameTaken)
		}
	}
	return nil
}

// tie links an account to a corporate identity.
func tie(ctx context.Context, q queryer, id string, l account.Link) error {
	return taken(exec(ctx, q, "INSERT INTO links (provider, issuer, subject, account_id) VALUES ($1, $2, $3, $4)",
		l.Provider, l.Issuer, l.Subject, id), linkTaken)
}

// getAccount returns the one account of a query.
func (d *DB) getAccount(ctx context.Context, query string, args ...string) (*account.Account, error) {
	return read(ctx, d, step{"get account", noAccount}, func(ctx context.Context, q queryer) (*account.Account, error) {
		params := make([]any, len(args))
		for i, a := range args {
			if !storable(a) {
				return nil, fault.New(fault.NotFound, noAccount)
			}
			params[i] = a
		}
		return scanAccount(q.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM accounts WHERE "+query, params...))
	})
}

// GetAccount implements account.Store.
func (d *DB) GetAccount(ctx context.Context, id string) (*account.Account, error) {
	return d.getAccount(ctx, "id = $1", id)
}

// FindLocal implements account.Store.
func (d *DB) FindLocal(ctx context.Context, identifier string) (*account.Account, error) {
	return d.getAccount(ctx, "id = (SELECT account_id FROM local_identifiers WHERE identifier = $1) AND owner = 'local'", identifier)
}

// FindByLink implements account.Store.
func (d *DB) FindByLink(ctx context.Context, l account.Link) (*account.Account, error) {
	return d.getAccount(ctx, "id = (SELECT account_id FROM links WHERE provider = $1 AND issuer = $2 AND subject = $3)",
		l.Provider, l.Issuer, l.Subject)
}

// ListAccounts implements account.Store.
func (d *DB) ListAccounts(ctx context.Context, f account.Filter) ([]*account.Account, error) {
	var w where
	w.equal("email", f.Email)
	w.equal("owner", f.Owner)
	w.equal("state", string(f.State))
	w.conditions = append(w.conditions, map[bool]string{false: "deleted_at = 0", true: "deleted_at > 0"}[f.Deleted])
	if w.impossible {
		return nil, nil
	}
	return read(ctx, d, step{verb: "list accounts"}, func(ctx context.Context, q queryer) ([]*account.Account, error) {
		return all(ctx, q, scanAccount, "SELECT "+accountColumns+" FROM accounts"+w.String()+" ORDER BY email, id", w.args...)
	})
}

// UpdateAccount implements account.Store. An account that is disabled, or whose address changes, loses its one-time tokens:
// a link in a mail to the former address must not work.
func (d *DB) UpdateAccount(ctx context.Context, id string, change func(*account.Account) error) (*account.Account, error) {
	var refused error
	a, err := write(ctx, d, step{"update account", noAccount}, func(ctx context.Context, q queryer) (*account.Account, error) {
		old, err := lockAccount(ctx, q, id)
		if err != nil {
			return nil, err
		}
		a := *old
		if refused = change(&a); refused != nil {
			return nil, refused
		}
		a.ID, a.Owner, a.CreatedAt, a.DeletedAt = old.ID, old.Owner, old.CreatedAt, old.DeletedAt
		if !a.DeletedAt.IsZero() {
			a.State = account.Disabled // only restoring brings it back
		}
		return &a, saveAccount(ctx, q, old, &a)
	})
	if refused != nil {
		return nil, refused // not the database's: nothing to translate
	}
	return a, err
}

// saveAccount writes what may change of an account.
func saveAccount(ctx context.Context, q queryer, old, a *account.Account) error {
	if !storable(a.Email + a.Username) {
		return fault.New(fault.Invalid, "The account's names hold characters that cannot be kept.")
	}
	a.Name = text(a.Name)
	a.UpdatedAt, a.LastSignIn = at(ms(a.UpdatedAt)), at(ms(a.LastSignIn))
	err := exec(ctx, q, `UPDATE accounts SET email = $1, username = $2, name = $3, group_names = $4, state = $5, updated_at = $6,
		last_sign_in = $7 WHERE id = $8`, a.Email, a.Username, a.Name, list(a.Groups), a.State, ms(a.UpdatedAt), ms(a.LastSignIn), a.ID)
	if err != nil {
		return taken(err, nameTaken)
	}
	if a.DeletedAt.IsZero() && (a.Email != old.Email || a.Username != old.Username) {
		if err := identify(ctx, q, a); err != nil {
			return err
		}
	}
	if a.Email != old.Email || a.State == account.Disabled {
		return exec(ctx, q, "DELETE FROM one_time_tokens WHERE account_id = $1", a.ID)
	}
	return nil
}

// AdoptAccount implements account.Store. An account that was invited and never had a password becomes active: its provider
// lets it in from now on.
func (d *DB) AdoptAccount(ctx context.Context, id string, link account.Link) (*account.Account, error) {
	if !storable(link.Provider + link.Issuer + link.Subject) {
		return nil, fault.New(fault.Invalid, "The corporate identity holds characters that cannot be kept.")
	}
	return write(ctx, d, step{"adopt account", noAccount}, func(ctx context.Context, q queryer) (*account.Account, error) {
		a, err := lockAccount(ctx, q, id)
		if err != nil {
			return nil, err
		}
		if a.Owner != account.OwnerLocal {
			return nil, fault.New(fault.Conflict, "The account already belongs to a provider.")
		}
		a.Owner = link.Provider
		if a.State == account.Invited {
			a.State = account.Active
		}
		for _, table := range []string{"passwords", "one_time_tokens", "local_identifiers", "access_tokens"} {
			if err := exec(ctx, q, "DELETE FROM "+table+" WHERE account_id = $1", id); err != nil {
				return nil, err
			}
		}
		// Whoever made the local account may have been somebody else than the one whom the provider vouches for.
		if _, err := dropFactors(ctx, q, id); err != nil {
			return nil, err
		}
		if err := exec(ctx, q, "UPDATE accounts SET owner = $1, state = $2 WHERE id = $3", a.Owner, a.State, id); err != nil {
			return nil, err
		}
		return a, tie(ctx, q, id, link)
	})
}

// DeleteAccount implements account.Store. Links, password, tokens and sessions go with the account; its id stays used.
func (d *DB) DeleteAccount(ctx context.Context, id string) error {
	_, err := write(ctx, d, step{"delete account", noAccount}, func(ctx context.Context, q queryer) (int, error) {
		if _, err := lockAccount(ctx, q, id); err != nil {
			return 0, err
		}
		if err := exec(ctx, q, "DELETE FROM accounts WHERE id = $1", id); err != nil {
			return 0, err
		}
		return count(ctx, q, "DELETE FROM sessions WHERE account_id = $1", id)
	})
	return err
}

// where collects the conditions of a listing.
type where struct {
	conditions []string
	args       []any
	// impossible is set when a value can be in no row.
	impossible bool
}

// equal demands a value unless it is empty.
func (w *where) equal(column, value string) {
	if value == "" {
		return
	}
	if !storable(value) {
		w.impossible = true
	}
	w.add(column+" = ", value)
}

func (w *where) add(left string, value any) {
	w.args = append(w.args, value)
	w.conditions = append(w.conditions, fmt.Sprintf("%s$%d", left, len(w.args)))
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}
