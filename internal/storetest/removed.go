package storetest

import (
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

func removed(t *testing.T, s AccountStore) {
	t.Run("removed and restored", func(t *testing.T) {
		a := create(t, s, account.OwnerLocal)
		l := mustLocal(a)
		ok(t, s.SetPassword(t.Context(), l, "hash", 5, now()))
		one := newToken(account.ForReset)
		ok(t, s.CreateToken(t.Context(), l, one))
		before, err := s.GetAccount(t.Context(), a.ID)
		ok(t, err)
		at := now()
		ok(t, s.RemoveAccount(t.Context(), a.ID, at))
		ok(t, s.RemoveAccount(t.Context(), a.ID, at.Add(time.Hour)))
		got, err := s.GetAccount(t.Context(), a.ID)
		ok(t, err)
		want := *before
		want.State, want.DeletedAt, want.UpdatedAt = account.Disabled, at, at
		same(t, "removed account", &want, got)
		_, err = s.FindLocal(t.Context(), a.Email)
		wantKind(t, "FindLocal", err, fault.NotFound)
		_, err = s.GetToken(t.Context(), one.Digest, one.Purpose, now())
		wantKind(t, "GetToken", err, fault.NotFound)
		wantKind(t, "SetPassword", s.SetPassword(t.Context(), l, "other", 5, now()), fault.Forbidden)
		wantKind(t, "CreateToken", s.CreateToken(t.Context(), l, newToken(account.ForReset)), fault.Forbidden)
		got, err = s.UpdateAccount(t.Context(), a.ID, func(b *account.Account) error { b.State, b.DeletedAt = account.Active, time.Time{}; return nil })
		ok(t, err)
		same(t, "state after an attempt to bring it back", account.Disabled, got.State)
		for deleted, n := range map[bool]int{false: 0, true: 1} {
			list, err := s.ListAccounts(t.Context(), account.Filter{Email: a.Email, Deleted: deleted})
			ok(t, err)
			same(t, "accounts with the address", n, len(list))
		}
		got, err = s.RestoreAccount(t.Context(), a.ID, at.Add(time.Minute))
		ok(t, err)
		want = *before
		want.UpdatedAt = at.Add(time.Minute)
		same(t, "restored account", &want, got)
		got, err = s.FindLocal(t.Context(), a.Username)
		ok(t, err)
		same(t, "FindLocal", a.ID, got.ID)
		p, err := s.GetPassword(t.Context(), l)
		ok(t, err)
		same(t, "password", "hash", p.Hash)
		_, err = s.RestoreAccount(t.Context(), a.ID, now())
		wantKind(t, "RestoreAccount twice", err, fault.NotFound)
	})
	t.Run("its names are free", func(t *testing.T) {
		a := create(t, s, account.OwnerLocal)
		ok(t, s.RemoveAccount(t.Context(), a.ID, now()))
		b := newAccount(account.OwnerLocal)
		b.Email, b.Username = a.Email, a.Username
		ok(t, s.CreateAccount(t.Context(), b, nil))
		_, err := s.RestoreAccount(t.Context(), a.ID, now())
		wantKind(t, "RestoreAccount", err, fault.Conflict)
		got, err := s.GetAccount(t.Context(), a.ID)
		ok(t, err)
		same(t, "still removed", false, got.DeletedAt.IsZero())
		ok(t, s.RemoveAccount(t.Context(), b.ID, now()))
		_, err = s.RestoreAccount(t.Context(), a.ID, now())
		ok(t, err)
	})
	t.Run("a provider's stays tied", func(t *testing.T) {
		a := newAccount("contoso")
		link := account.Link{Provider: "contoso", Issuer: "https://contoso.test", Subject: token.NewID()}
		ok(t, s.CreateAccount(t.Context(), a, &link))
		ok(t, s.RemoveAccount(t.Context(), a.ID, now()))
		got, err := s.FindByLink(t.Context(), link)
		ok(t, err)
		same(t, "state", account.Disabled, got.State)
	})
	t.Run("purged", func(t *testing.T) {
		old, fresh, live := create(t, s, account.OwnerLocal), create(t, s, account.OwnerLocal), create(t, s, account.OwnerLocal)
		at := now().Add(-40 * 24 * time.Hour)
		ok(t, s.RemoveAccount(t.Context(), old.ID, at))
		ok(t, s.RemoveAccount(t.Context(), fresh.ID, now()))
		n, err := s.PurgeAccounts(t.Context(), at.Add(time.Hour))
		ok(t, err)
		same(t, "purged", 1, n)
		_, err = s.GetAccount(t.Context(), old.ID)
		wantKind(t, "GetAccount", err, fault.NotFound)
		for _, a := range []*account.Account{fresh, live} {
			_, err = s.GetAccount(t.Context(), a.ID)
			ok(t, err)
		}
		again := *old
		wantKind(t, "the same id again", s.CreateAccount(t.Context(), &again, nil), fault.Conflict)
	})
	t.Run("one of many restores", func(t *testing.T) {
		a := create(t, s, account.OwnerLocal)
		ok(t, s.RemoveAccount(t.Context(), a.ID, now()))
		oneWins(t, "RestoreAccount", fault.NotFound, together(20, func(int) error {
			_, err := s.RestoreAccount(t.Context(), a.ID, now())
			return err
		}))
		_, err := s.RestoreAccount(t.Context(), token.NewID(), now())
		wantKind(t, "RestoreAccount of nobody", err, fault.NotFound)
	})
}
