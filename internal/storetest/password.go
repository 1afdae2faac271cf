package storetest

import (
	"fmt"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

func passwords(t *testing.T, s AccountStore) {
	t.Run("password history", func(t *testing.T) {
		l, _ := create(t, s, account.OwnerLocal).Local()
		p, err := s.GetPassword(t.Context(), l)
		ok(t, err)
		same(t, "GetPassword before one is set", account.Password{}, p)
		at := now()
		for i, step := range []struct {
			history int
			want    []string
		}{{2, nil}, {2, []string{"h0"}}, {2, []string{"h1", "h0"}}, {2, []string{"h2", "h1"}}, {5, []string{"h3", "h2", "h1"}}, {0, nil}, {-1, nil}} {
			at = at.Add(time.Minute)
			ok(t, s.SetPassword(t.Context(), l, fmt.Sprint("h", i), step.history, at))
			p, err := s.GetPassword(t.Context(), l)
			ok(t, err)
			same(t, fmt.Sprintf("password %d", i), account.Password{Hash: fmt.Sprint("h", i), Previous: step.want, ChangedAt: at}, p)
		}
	})
	t.Run("first password activates", func(t *testing.T) {
		a := newAccount(account.OwnerLocal)
		a.State = account.Invited
		ok(t, s.CreateAccount(t.Context(), a, nil))
		l, _ := a.Local()
		reset, invitation := newToken(account.ForReset), newToken(account.ForInvitation)
		ok(t, s.CreateToken(t.Context(), l, reset))
		ok(t, s.CreateToken(t.Context(), l, invitation))
		ok(t, s.SetPassword(t.Context(), l, "hash", 5, now()))
		got, err := s.GetAccount(t.Context(), a.ID)
		ok(t, err)
		same(t, "state", account.Active, got.State)
		for _, one := range []account.OneTime{reset, invitation} {
			_, err = s.GetToken(t.Context(), one.Digest, one.Purpose, now())
			wantKind(t, "GetToken after SetPassword", err, fault.NotFound)
		}
	})
	t.Run("disabled", func(t *testing.T) {
		a := newAccount(account.OwnerLocal)
		a.State = account.Disabled
		ok(t, s.CreateAccount(t.Context(), a, nil))
		l, _ := a.Local()
		wantKind(t, "SetPassword", s.SetPassword(t.Context(), l, "hash", 5, now()), fault.Forbidden)
		wantKind(t, "CreateToken", s.CreateToken(t.Context(), l, newToken(account.ForReset)), fault.Forbidden)
		p, err := s.GetPassword(t.Context(), l)
		ok(t, err)
		same(t, "password", account.Password{}, p)
	})
	t.Run("upgrade", func(t *testing.T) {
		l, _ := create(t, s, account.OwnerLocal).Local()
		ok(t, s.UpgradeHash(t.Context(), l, "", "none was set"))
		ok(t, s.SetPassword(t.Context(), l, "old", 5, now()))
		ok(t, s.UpgradeHash(t.Context(), l, "stale", "wrong"))
		ok(t, s.UpgradeHash(t.Context(), l, "old", "newer"))
		p, err := s.GetPassword(t.Context(), l)
		ok(t, err)
		if p.Hash != "newer" || len(p.Previous) != 0 {
			t.Errorf("password = %+v, want hash newer and no history", p)
		}
	})
	t.Run("zero Local opens nothing", func(t *testing.T) {
		var zero account.Local
		wantKind(t, "SetPassword", s.SetPassword(t.Context(), zero, "hash", 5, now()), fault.NotFound)
		wantKind(t, "CreateToken", s.CreateToken(t.Context(), zero, newToken(account.ForReset)), fault.NotFound)
		ok(t, s.UpgradeHash(t.Context(), zero, "", "hash"))
		p, err := s.GetPassword(t.Context(), zero)
		ok(t, err)
		same(t, "password", account.Password{}, p)
	})
	t.Run("one of many replaces", func(t *testing.T) {
		l, _ := create(t, s, account.OwnerLocal).Local()
		wantKind(t, "ReplacePassword of none", s.ReplacePassword(t.Context(), l, "x", "h", 5, now()), fault.Conflict)
		ok(t, s.SetPassword(t.Context(), l, "old", 5, now()))
		oneWins(t, "ReplacePassword", fault.Conflict, together(50, func(i int) error {
			return s.ReplacePassword(t.Context(), l, "old", fmt.Sprint("h", i), 50, now())
		}))
		p, err := s.GetPassword(t.Context(), l)
		ok(t, err)
		same(t, "history", []string{"old"}, p.Previous)
		var zero account.Local
		wantKind(t, "ReplacePassword of nobody", s.ReplacePassword(t.Context(), zero, "", "h", 5, now()), fault.NotFound)
	})
	t.Run("passwords set at once", func(t *testing.T) {
		l, _ := create(t, s, account.OwnerLocal).Local()
		for _, err := range together(20, func(i int) error { return s.SetPassword(t.Context(), l, fmt.Sprint("h", i), 50, now()) }) {
			ok(t, err)
		}
		p, err := s.GetPassword(t.Context(), l)
		ok(t, err)
		if len(p.Previous) != 19 {
			t.Errorf("history has %d entries after 20 changes at once, want 19", len(p.Previous))
		}
	})
}

func newToken(p account.Purpose) account.OneTime {
	return account.OneTime{Digest: token.Digest(token.NewSecret()), Purpose: p, CreatedAt: now(), ExpiresAt: now().Add(30 * time.Minute), Address: "192.0.2.1"}
}
