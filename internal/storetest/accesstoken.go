package storetest

import (
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/bearer"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// AccessTokenStore keeps access tokens beside accounts.
type AccessTokenStore interface {
	AccountStore
	bearer.Store
}

// AccessTokens is the contract of bearer.Store.
func AccessTokens(t *testing.T, s AccessTokenStore) {
	t.Run("round trip", func(t *testing.T) { accessTokenRoundTrip(t, s) })
	t.Run("the account decides", func(t *testing.T) { accessTokenAccounts(t, s) })
	t.Run("no more than the limit, however many ask at once", func(t *testing.T) {
		a := create(t, s, account.OwnerLocal)
		won := 0
		for _, err := range together(12, func(int) error { return s.CreateAccessToken(t.Context(), newAccessToken(a.ID), token.NewID(), 5) }) {
			if err == nil {
				won++
			} else {
				wantKind(t, "one too many", err, fault.Conflict)
			}
		}
		same(t, "tokens created", 5, won)
		ended := newAccessToken(create(t, s, account.OwnerLocal).ID)
		ended.ExpiresAt = ended.CreatedAt.Add(-time.Second)
		ok(t, s.CreateAccessToken(t.Context(), ended, token.NewID(), 1))
		ok(t, s.CreateAccessToken(t.Context(), newAccessToken(ended.AccountID), token.NewID(), 1)) // what has ended does not count
	})
	t.Run("swept", func(t *testing.T) {
		a := create(t, s, account.OwnerLocal)
		old, young := newAccessToken(a.ID), newAccessToken(a.ID)
		old.ExpiresAt = now().AddDate(-20, 0, 0)
		ok(t, s.CreateAccessToken(t.Context(), old, token.NewID(), 9))
		ok(t, s.CreateAccessToken(t.Context(), young, token.NewID(), 9))
		n, err := s.SweepAccessTokens(t.Context(), old.ExpiresAt.Add(time.Second))
		ok(t, err)
		same(t, "tokens swept", 1, n)
		got, err := s.ListAccessTokens(t.Context(), a.ID)
		ok(t, err)
		same(t, "tokens left", []bearer.Token{young}, got)
	})
}

func accessTokenRoundTrip(t *testing.T, s AccessTokenStore) {
	a, b := create(t, s, account.OwnerLocal), create(t, s, "contoso")
	first, second, other := newAccessToken(a.ID), newAccessToken(a.ID), newAccessToken(b.ID)
	second.CreatedAt, second.Methods = first.CreatedAt.Add(time.Second), nil
	digests := []string{token.NewID(), token.NewID(), token.NewID()}
	for i, one := range []bearer.Token{first, second, other} {
		ok(t, s.CreateAccessToken(t.Context(), one, digests[i], 9))
	}
	got, err := s.FindAccessToken(t.Context(), digests[0])
	ok(t, err)
	same(t, "FindAccessToken", first, got)
	_, err = s.FindAccessToken(t.Context(), token.NewID())
	wantKind(t, "FindAccessToken of a stranger", err, fault.NotFound)
	list, err := s.ListAccessTokens(t.Context(), a.ID)
	ok(t, err)
	same(t, "ListAccessTokens", []bearer.Token{second, first}, list)
	list, err = s.ListAccessTokens(t.Context(), a.ID+"\x00")
	ok(t, err)
	same(t, "ListAccessTokens of junk", 0, len(list))

	used := now()
	ok(t, s.TouchAccessToken(t.Context(), first.ID, used, "192.0.2.1"))
	ok(t, s.TouchAccessToken(t.Context(), first.ID, used.Add(-time.Hour), "192.0.2.2"))
	ok(t, s.TouchAccessToken(t.Context(), token.NewID(), used, ""))
	first.LastUsedAt, first.LastUsedFrom = used, "192.0.2.1"
	got, err = s.FindAccessToken(t.Context(), digests[0])
	ok(t, err)
	same(t, "after its use", first, got)

	wantKind(t, "somebody else's token", s.DeleteAccessToken(t.Context(), b.ID, first.ID), fault.NotFound)
	wantKind(t, "no id", s.DeleteAccessToken(t.Context(), a.ID, ""), fault.NotFound)
	ok(t, s.DeleteAccessToken(t.Context(), a.ID, first.ID))
	ok(t, s.DeleteAccessToken(t.Context(), "", second.ID))
	wantKind(t, "twice", s.DeleteAccessToken(t.Context(), "", second.ID), fault.NotFound)
	_, err = s.FindAccessToken(t.Context(), digests[0])
	wantKind(t, "FindAccessToken of a deleted one", err, fault.NotFound)
	wantKind(t, "the same digest again", s.CreateAccessToken(t.Context(), newAccessToken(a.ID), digests[2], 9), fault.Conflict)
}

// accessTokenAccounts is what happens to tokens when something happens to their account.
func accessTokenAccounts(t *testing.T, s AccessTokenStore) {
	left := func(a *account.Account) int {
		list, err := s.ListAccessTokens(t.Context(), a.ID)
		ok(t, err)
		return len(list)
	}
	wantKind(t, "nobody's token", s.CreateAccessToken(t.Context(), newAccessToken(token.NewID()), token.NewID(), 9), fault.NotFound)
	disabled := create(t, s, account.OwnerLocal)
	_, err := s.UpdateAccount(t.Context(), disabled.ID, func(a *account.Account) error { a.State = account.Disabled; return nil })
	ok(t, err)
	wantKind(t, "token of a disabled account", s.CreateAccessToken(t.Context(), newAccessToken(disabled.ID), token.NewID(), 9), fault.Forbidden)

	// Whoever held the local account must not keep a way in when the person whose address it is takes it over.
	adopted := create(t, s, account.OwnerLocal)
	ok(t, s.CreateAccessToken(t.Context(), newAccessToken(adopted.ID), token.NewID(), 9))
	_, err = s.AdoptAccount(t.Context(), adopted.ID, account.Link{Provider: "contoso", Issuer: "i", Subject: token.NewID()})
	ok(t, err)
	same(t, "tokens of an adopted account", 0, left(adopted))

	deleted := create(t, s, account.OwnerLocal)
	ok(t, s.CreateAccessToken(t.Context(), newAccessToken(deleted.ID), token.NewID(), 9))
	ok(t, s.DeleteAccount(t.Context(), deleted.ID))
	same(t, "tokens of a deleted account", 0, left(deleted))
}

func newAccessToken(accountID string) bearer.Token {
	return bearer.Token{ID: token.NewID(), AccountID: accountID, Name: "import ü", Paths: []string{"/api/**"}, Methods: []string{"GET"},
		CreatedAt: now(), ExpiresAt: now().Add(time.Hour)}
}
