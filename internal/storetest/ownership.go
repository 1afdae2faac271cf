package storetest

import (
	"fmt"
	"testing"

	"crmgate/internal/account"
	"crmgate/internal/fault"
)

// ownership tries every road on which an account that a provider owns could come by a local password.
func ownership(t *testing.T, s AccountStore) {
	t.Run("adopt", func(t *testing.T) { adopt(t, s) })
	t.Run("a provider's account never gets a password", func(t *testing.T) { noPassword(t, s) })
	t.Run("adoption meets a password being set", func(t *testing.T) { adoptRace(t, s) })
	t.Run("adopted once", func(t *testing.T) {
		a := create(t, s, account.OwnerLocal)
		oneWins(t, "AdoptAccount", fault.Conflict, together(20, func(int) error {
			_, err := s.AdoptAccount(t.Context(), a.ID, newLink())
			return err
		}))
		link := newLink()
		oneWins(t, "AdoptAccount with one link", fault.Conflict, together(10, func(int) error {
			_, err := s.AdoptAccount(t.Context(), create(t, s, account.OwnerLocal).ID, link)
			return err
		}))
	})
}

func adopt(t *testing.T, s AccountStore) {
	for _, tt := range []struct{ before, after account.State }{
		{account.Active, account.Active}, {account.Invited, account.Active}, {account.Disabled, account.Disabled},
	} {
		want := newAccount(account.OwnerLocal)
		want.State = tt.before
		ok(t, s.CreateAccount(t.Context(), want, nil))
		link := newLink()
		got, err := s.AdoptAccount(t.Context(), want.ID, link)
		ok(t, err)
		want.Owner, want.State = link.Provider, tt.after
		same(t, "AdoptAccount", want, got)
		got, err = s.FindByLink(t.Context(), link)
		ok(t, err)
		same(t, "FindByLink after AdoptAccount", want, got)
		_, err = s.FindLocal(t.Context(), want.Email)
		wantKind(t, "FindLocal after AdoptAccount", err, fault.NotFound)
		// The names are free for a local account again.
		next := newAccount(account.OwnerLocal)
		next.Email, next.Username = want.Email, want.Username
		ok(t, s.CreateAccount(t.Context(), next, nil))
		_, err = s.AdoptAccount(t.Context(), want.ID, newLink())
		wantKind(t, "second AdoptAccount", err, fault.Conflict)
	}
	_, err := s.AdoptAccount(t.Context(), "nobody", newLink())
	wantKind(t, "AdoptAccount of an unknown id", err, fault.NotFound)

	// A link that is taken changes nothing.
	link := newLink()
	ok(t, s.CreateAccount(t.Context(), newAccount(link.Provider), &link))
	a := create(t, s, account.OwnerLocal)
	ok(t, s.SetPassword(t.Context(), mustLocal(a), "hash", 5, a.CreatedAt))
	_, err = s.AdoptAccount(t.Context(), a.ID, link)
	wantKind(t, "AdoptAccount with a link that is taken", err, fault.Conflict)
	got, err := s.FindLocal(t.Context(), a.Email)
	ok(t, err)
	same(t, "after the refused adoption", a, got)
	p, err := s.GetPassword(t.Context(), mustLocal(a))
	ok(t, err)
	same(t, "password after the refused adoption", "hash", p.Hash)
}

func noPassword(t *testing.T, s AccountStore) {
	adopted := create(t, s, account.OwnerLocal)
	stale := mustLocal(adopted) // handed out while it was local
	ok(t, s.SetPassword(t.Context(), stale, "before", 5, now()))
	mailed := newToken(account.ForReset)
	ok(t, s.CreateToken(t.Context(), stale, mailed))
	_, err := s.AdoptAccount(t.Context(), adopted.ID, newLink())
	ok(t, err)

	born := create(t, s, "contoso")
	if _, ok := born.Local(); ok {
		t.Fatal("an account of a provider hands out the right to a password")
	}
	forged := mustLocal(&account.Account{ID: born.ID, Owner: account.OwnerLocal}) // a bug, or a lie

	for name, l := range map[string]account.Local{"adopted": stale, "born": forged} {
		wantKind(t, name+": SetPassword", s.SetPassword(t.Context(), l, "hash", 5, now()), fault.Conflict)
		one := newToken(account.ForReset)
		wantKind(t, name+": CreateToken", s.CreateToken(t.Context(), l, one), fault.Conflict)
		_, err := s.RedeemToken(t.Context(), one.Digest, one.Purpose, now(), "hash", 5)
		wantKind(t, name+": RedeemToken of the refused token", err, fault.NotFound)
		ok(t, s.UpgradeHash(t.Context(), l, "before", "after"))
		ok(t, s.UpgradeHash(t.Context(), l, "", "after"))
		p, err := s.GetPassword(t.Context(), l)
		ok(t, err)
		same(t, name+": password", account.Password{}, p)
	}
	_, err = s.GetToken(t.Context(), mailed.Digest, mailed.Purpose, now())
	wantKind(t, "GetToken mailed before the adoption", err, fault.NotFound)
	_, err = s.RedeemToken(t.Context(), mailed.Digest, mailed.Purpose, now(), "hash", 5)
	wantKind(t, "RedeemToken mailed before the adoption", err, fault.NotFound)

	got, err := s.UpdateAccount(t.Context(), born.ID, func(a *account.Account) error { a.Owner = account.OwnerLocal; return nil })
	ok(t, err)
	same(t, "owner after an update that claims local", "contoso", got.Owner)
	if _, ok := got.Local(); ok {
		t.Error("an update made the account local")
	}
}

// adoptRace lets adoptions meet passwords, tokens and redemptions: whoever comes first, the end is the same.
func adoptRace(t *testing.T, s AccountStore) {
	for round := range 10 {
		a := create(t, s, account.OwnerLocal)
		l := mustLocal(a)
		mailed := newToken(account.ForReset)
		ok(t, s.CreateToken(t.Context(), l, mailed))
		errs := together(24, func(i int) error {
			switch i % 4 {
			case 0:
				return s.SetPassword(t.Context(), l, fmt.Sprint("h", i), 5, now())
			case 1:
				return s.CreateToken(t.Context(), l, newToken(account.ForInvitation))
			case 2:
				_, err := s.RedeemToken(t.Context(), mailed.Digest, mailed.Purpose, now(), fmt.Sprint("h", i), 5)
				return err
			}
			if i != 11 {
				return s.UpgradeHash(t.Context(), l, "h0", "h1")
			}
			_, err := s.AdoptAccount(t.Context(), a.ID, newLink())
			return err
		})
		for i, err := range errs {
			if err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.NotFound) {
				t.Errorf("round %d, goroutine %d: %v", round, i, err)
			}
		}
		ok(t, errs[11])
		p, err := s.GetPassword(t.Context(), l)
		ok(t, err)
		same(t, "password after the race", account.Password{}, p)
		got, err := s.GetAccount(t.Context(), a.ID)
		ok(t, err)
		same(t, "owner after the race", "contoso", got.Owner)
	}
}
