package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/sqlstore"
	"crmgate/internal/token"
)

func TestTogether(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { together(t, openFile(t)) })
	t.Run("postgres", func(t *testing.T) { together(t, open(t, postgres(t), "")) })
}

// together is what a sign-in writes at its end: all of it or nothing, whatever breaks it off, and others may write afterwards.
func together(t *testing.T, d *sqlstore.DB) {
	var lines bytes.Buffer
	d.Log = slog.New(slog.NewTextHandler(&lines, nil))
	broken := errors.New("broken off")
	tests := []struct {
		name  string
		last  func(ctx context.Context, accountID string) error
		panic bool
		there bool
	}{
		{name: "all goes well", last: func(context.Context, string) error { return nil }, there: true},
		{name: "what is not found harms nothing", last: func(ctx context.Context, _ string) error {
			if _, err := d.GetSession(ctx, token.NewID()); !fault.Is(err, fault.NotFound) {
				return err
			}
			return nil
		}, there: true},
		{name: "the caller breaks it off", last: func(context.Context, string) error { return broken }},
		{name: "the account refuses", last: func(ctx context.Context, id string) error {
			_, err := d.UpdateAccount(ctx, id, func(*account.Account) error { return broken })
			return err
		}},
		{name: "a write fails and nobody looks", last: func(ctx context.Context, _ string) error {
			_, _ = d.UpdateAccount(ctx, token.NewID(), func(*account.Account) error { return nil })
			return nil
		}},
		{name: "it panics", last: func(context.Context, string) error { panic("on fire") }, panic: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines.Reset()
			now := time.Now().UTC().Truncate(time.Millisecond)
			a := &account.Account{ID: token.NewID(), Owner: "contoso", State: account.Active, CreatedAt: now}
			if err := d.CreateAccount(t.Context(), a, nil); err != nil {
				t.Fatal(err)
			}
			s := &session.Session{ID: token.NewID(), SecretDigest: token.Digest("x"), AccountID: a.ID, Provider: "contoso", SignedInAt: now, LastSeen: now,
				ExpiresAt: now.Add(time.Hour), IdleTimeout: time.Hour}
			err := func() error {
				defer func() {
					if got := recover() != nil; got != tt.panic {
						t.Errorf("panicked: %v, want %v", got, tt.panic)
					}
				}()
				return d.Together(t.Context(), func(ctx context.Context) error {
					if err := d.CreateSession(ctx, s); err != nil {
						return err
					}
					if _, err := d.GetSession(ctx, s.ID); err != nil {
						t.Errorf("what was just written: %v", err)
					}
					if _, err := d.UpdateAccount(ctx, a.ID, func(a *account.Account) error { a.LastSignIn = now; return nil }); err != nil {
						return err
					}
					d.Record(ctx, audit.Event{Kind: audit.SignIn, AccountID: a.ID})
					return tt.last(ctx, a.ID)
				})
			}()
			if (err == nil) != (tt.there || tt.panic) {
				t.Errorf("error %v", err)
			}
			_, err = d.GetSession(t.Context(), s.ID)
			events, listErr := d.ListEvents(t.Context(), audit.Filter{AccountID: a.ID})
			b, accountErr := d.GetAccount(t.Context(), a.ID)
			if listErr != nil || accountErr != nil {
				t.Fatal(listErr, accountErr)
			}
			if (err == nil) != tt.there || (len(events) == 1) != tt.there || b.LastSignIn.Equal(now) != tt.there {
				t.Errorf("session %v, %d events, last sign-in %s; want all of it: %v", err, len(events), b.LastSignIn, tt.there)
			}
			if got := strings.Contains(lines.String(), "security event"); got != tt.there {
				t.Errorf("logged %v: %s", got, lines.String())
			}
			if err := d.TouchSession(t.Context(), s.ID, now); (err == nil) != tt.there {
				t.Errorf("a write afterwards: %v", err)
			}
		})
	}
}

// Whoever disables an account while a sign-in ends waits for it, and finds its session.
func TestDisablingMissesNoSession(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { disabling(t, openFile(t)) })
	t.Run("postgres", func(t *testing.T) { disabling(t, open(t, postgres(t), "")) })
}

func disabling(t *testing.T, d *sqlstore.DB) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	a := &account.Account{ID: token.NewID(), Owner: "contoso", State: account.Active, CreatedAt: now}
	if err := d.CreateAccount(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan []string, 1)
	err := d.Together(t.Context(), func(ctx context.Context) error {
		s := &session.Session{ID: token.NewID(), SecretDigest: token.Digest("x"), AccountID: a.ID, Provider: "contoso", SignedInAt: now, LastSeen: now,
			ExpiresAt: now.Add(time.Hour), IdleTimeout: time.Hour}
		if err := d.CreateSession(ctx, s); err != nil {
			return err
		}
		if _, err := d.UpdateAccount(ctx, a.ID, func(*account.Account) error { return nil }); err != nil {
			return err
		}
		go func() {
			_, err := d.UpdateAccount(t.Context(), a.ID, func(a *account.Account) error { a.State = account.Disabled; return nil })
			ids, endErr := d.DeleteAccountSessions(t.Context(), a.ID, "")
			if err != nil || endErr != nil {
				t.Error(err, endErr)
			}
			ended <- ids
		}()
		select {
		case <-ended:
			return errors.New("the account was disabled while its sign-in held it")
		case <-time.After(50 * time.Millisecond):
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if ids := <-ended; len(ids) != 1 {
		t.Errorf("%d sessions ended, want the one that began", len(ids))
	}
}
