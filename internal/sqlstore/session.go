package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/session"
)

const noSession = "There is no such session."

const sessionColumns = `id, secret_digest, account_id, email, email_doubtful, name, username, group_names, provider, issuer, subject, provider_session,
	id_token, amr, signed_in_at, auth_time, last_seen, expires_at, idle_timeout, address, user_agent, remember,
	grant_sealed, checked_at, factor_at, device, password_expires, password_change_url, check_after, unanswered_since, last_sign_in`

func scanSession(r row) (*session.Session, error) {
	var s session.Session
	var groups, amr string
	var signedIn, auth, seen, expires, idle, checked, factor, password, after, unanswered, before int64
	err := r.Scan(&s.ID, &s.SecretDigest, &s.AccountID, &s.Email, &s.EmailDoubtful, &s.Name, &s.Username, &groups, &s.Provider, &s.Issuer, &s.Subject,
		&s.ProviderSession, &s.IDToken, &amr, &signedIn, &auth, &seen, &expires, &idle, &s.Address, &s.UserAgent, &s.Remember,
		&s.Grant, &checked, &factor, &s.Device, &password, &s.PasswordChangeURL, &after, &unanswered, &before)
	if err != nil {
		return nil, err
	}
	s.SignedInAt, s.AuthTime, s.LastSeen, s.ExpiresAt = at(signedIn), at(auth), at(seen), at(expires)
	s.CheckedAt, s.FactorAt, s.PasswordExpires = at(checked), at(factor), at(password)
	s.CheckAfter, s.UnansweredSince, s.LastSignIn = at(after), at(unanswered), at(before)
	s.IdleTimeout = time.Duration(idle) * time.Millisecond
	if s.Groups, err = unlist(groups); err == nil {
		s.AMR, err = unlist(amr)
	}
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", s.ID, err)
	}
	return &s, nil
}

// CreateSession implements session.Store.
func (d *DB) CreateSession(ctx context.Context, s *session.Session) error {
	_, err := write(ctx, d, step{verb: "create session"}, func(ctx context.Context, q queryer) (struct{}, error) {
		err := exec(ctx, q, "INSERT INTO sessions ("+sessionColumns+") VALUES ("+values(31)+")", sessionValues(s)...)
		return struct{}{}, taken(err, "This session exists already.")
	})
	return err
}

// sessionValues are the values of sessionColumns.
func sessionValues(s *session.Session) []any {
	return []any{
		s.ID, s.SecretDigest, s.AccountID, text(s.Email), s.EmailDoubtful, text(s.Name), text(s.Username), list(s.Groups), s.Provider, text(s.Issuer),
		text(s.Subject), text(s.ProviderSession), text(s.IDToken), list(s.AMR), ms(s.SignedInAt), ms(s.AuthTime), ms(s.LastSeen),
		ms(s.ExpiresAt), s.IdleTimeout.Milliseconds(), text(s.Address), text(s.UserAgent), s.Remember,
		s.Grant, ms(s.CheckedAt), ms(s.FactorAt), s.Device, ms(s.PasswordExpires), text(s.PasswordChangeURL),
		ms(s.CheckAfter), ms(s.UnansweredSince), ms(s.LastSignIn),
	}
}

// UpdateSession implements session.Store. The row is locked by a change that changes nothing before it is read: on PostgreSQL two that
// read first would both write.
func (d *DB) UpdateSession(ctx context.Context, id string, change func(*session.Session) error) (*session.Session, error) {
	return write(ctx, d, step{"update session", noSession}, func(ctx context.Context, q queryer) (*session.Session, error) {
		s, err := scanSession(q.QueryRowContext(ctx, "UPDATE sessions SET id = id WHERE id = $1 RETURNING "+sessionColumns, id))
		if err != nil {
			return nil, err
		}
		before := *s
		if err := change(s); err != nil {
			return nil, err
		}
		s.Keep(&before)
		return s, exec(ctx, q, updateSession(), sessionValues(s)...)
	})
}

// updateSession writes sessionValues over the row of that id.
func updateSession() string {
	columns := strings.Split(sessionColumns, ",")
	for i, c := range columns {
		columns[i] = fmt.Sprintf("%s = $%d", strings.TrimSpace(c), i+1)
	}
	return "UPDATE sessions SET " + strings.Join(columns, ", ") + " WHERE id = $1"
}

// GetSession implements session.Store.
func (d *DB) GetSession(ctx context.Context, id string) (*session.Session, error) {
	return read(ctx, d, step{"get session", noSession}, func(ctx context.Context, q queryer) (*session.Session, error) {
		return scanSession(q.QueryRowContext(ctx, "SELECT "+sessionColumns+" FROM sessions WHERE id = $1", id))
	})
}

// TouchSession implements session.Store.
func (d *DB) TouchSession(ctx context.Context, id string, seen time.Time) error {
	_, err := write(ctx, d, step{verb: "touch session"}, func(ctx context.Context, q queryer) (struct{}, error) {
		n, err := count(ctx, q, "UPDATE sessions SET last_seen = CASE WHEN last_seen < $1 THEN $1 ELSE last_seen END WHERE id = $2", ms(seen), id)
		if err == nil && n == 0 {
			err = fault.New(fault.NotFound, noSession)
		}
		return struct{}{}, err
	})
	return err
}

// DeleteSession implements session.Store.
func (d *DB) DeleteSession(ctx context.Context, id string) error {
	_, err := write(ctx, d, step{verb: "delete session"}, func(ctx context.Context, q queryer) (struct{}, error) {
		return struct{}{}, exec(ctx, q, "DELETE FROM sessions WHERE id = $1", id)
	})
	return err
}

// DeleteAccountSessions implements session.Store.
func (d *DB) DeleteAccountSessions(ctx context.Context, accountID, except string) ([]string, error) {
	return write(ctx, d, step{verb: "delete sessions of account"}, func(ctx context.Context, q queryer) ([]string, error) {
		return all(ctx, q, scanString, "DELETE FROM sessions WHERE account_id = $1 AND id <> $2 RETURNING id", accountID, except)
	})
}

// DeleteProviderSessions implements session.Store.
func (d *DB) DeleteProviderSessions(ctx context.Context, provider, issuer, subject, sid string) ([]session.Ended, error) {
	query, args := "DELETE FROM sessions WHERE provider = $1 AND provider_session = $2", []any{provider, text(sid)}
	switch {
	case sid != "":
	case subject != "":
		query, args = "DELETE FROM sessions WHERE provider = $1 AND subject = $2", []any{provider, text(subject)}
	default:
		return nil, nil // "" is what local sessions have
	}
	if issuer != "" {
		query, args = query+" AND issuer = $3", append(args, text(issuer))
	}
	return write(ctx, d, step{verb: "delete sessions of provider"}, func(ctx context.Context, q queryer) ([]session.Ended, error) {
		return all(ctx, q, scanEnded, query+" RETURNING id, account_id", args...)
	})
}

func scanEnded(r row) (e session.Ended, err error) {
	err = r.Scan(&e.ID, &e.AccountID)
	return e, err
}

func scanString(r row) (s string, err error) {
	err = r.Scan(&s)
	return s, err
}

// ListSessions implements session.Store.
func (d *DB) ListSessions(ctx context.Context, accountID string) ([]*session.Session, error) {
	var w where
	w.equal("account_id", accountID)
	if w.impossible {
		return nil, nil
	}
	return read(ctx, d, step{verb: "list sessions"}, func(ctx context.Context, q queryer) ([]*session.Session, error) {
		return all(ctx, q, scanSession, "SELECT "+sessionColumns+" FROM sessions"+w.String()+" ORDER BY signed_in_at DESC, id", w.args...)
	})
}

// SweepSessions implements session.Store. It also removes what was idle for too long: nothing brings that back.
func (d *DB) SweepSessions(ctx context.Context, now time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep sessions"}, "DELETE FROM sessions WHERE expires_at < $1 OR last_seen + idle_timeout < $1", now)
}
