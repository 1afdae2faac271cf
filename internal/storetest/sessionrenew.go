package storetest

import (
	"errors"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

// sessionRenew gives a session another name: it is nowhere under the former one, and under the new one wherever it stood.
func sessionRenew(t *testing.T, s session.Store) {
	one := newSession(token.NewID(), now())
	one.Provider, one.Subject, one.ProviderSession = "renewing", token.NewID(), token.NewID()
	ok(t, s.CreateSession(t.Context(), one))
	ok(t, s.TouchSession(t.Context(), one.ID, one.SignedInAt.Add(time.Minute)))
	want := *one
	want.ID, want.SecretDigest, want.Binding = token.NewID(), token.Digest("new"), one.SecretDigest
	want.LastSeen, want.FactorAt = one.SignedInAt.Add(time.Minute), one.SignedInAt.Add(time.Minute)
	got, err := s.RenewSession(t.Context(), one.ID, func(one *session.Session) error {
		one.ID, one.SecretDigest, one.Binding, one.FactorAt = want.ID, want.SecretDigest, want.Binding, want.FactorAt
		one.AccountID, one.ExpiresAt, one.LastSeen, one.Subject = "other", time.Time{}, time.Time{}, "other" // stay as they were
		return nil
	})
	ok(t, err)
	same(t, "RenewSession", &want, got)
	got, err = s.GetSession(t.Context(), want.ID)
	ok(t, err)
	same(t, "GetSession of the new name", &want, got)
	_, err = s.GetSession(t.Context(), one.ID)
	wantKind(t, "GetSession of the former name", err, fault.NotFound)
	list, err := s.ListSessions(t.Context(), one.AccountID)
	ok(t, err)
	same(t, "ListSessions", []*session.Session{&want}, list)

	refused := errors.New("no")
	if _, err := s.RenewSession(t.Context(), want.ID, func(one *session.Session) error { one.ID = token.NewID(); return refused }); !errors.Is(err, refused) {
		t.Errorf("RenewSession with a change that refuses = %v", err)
	}
	_, err = s.RenewSession(t.Context(), one.ID, func(one *session.Session) error { one.ID = token.NewID(); return nil })
	wantKind(t, "RenewSession of the former name", err, fault.NotFound)

	ended, err := s.DeleteProviderSessions(t.Context(), want.Provider, "", "", want.ProviderSession)
	ok(t, err)
	same(t, "ended by the provider", []session.Ended{{ID: want.ID, AccountID: want.AccountID}}, ended)
	_, err = s.GetSession(t.Context(), want.ID)
	wantKind(t, "GetSession after that", err, fault.NotFound)

	sessionRenewRaces(t, s)
}

// sessionRenewRaces renews one session often at once: it stays one. Ended meanwhile, it is not brought back.
func sessionRenewRaces(t *testing.T, s session.Store) {
	one := newSession(token.NewID(), now())
	renew := func(int) error {
		_, err := s.RenewSession(t.Context(), one.ID, func(one *session.Session) error {
			one.ID, one.SecretDigest = token.NewID(), token.Digest(token.NewSecret())
			return nil
		})
		return err
	}
	ok(t, s.CreateSession(t.Context(), one))
	oneWins(t, "RenewSession", fault.NotFound, together(20, renew))
	list, err := s.ListSessions(t.Context(), one.AccountID)
	ok(t, err)
	if len(list) != 1 {
		t.Errorf("%d sessions after twenty renewals at once of one", len(list))
	}
	for range 10 {
		one = newSession(token.NewID(), now())
		ok(t, s.CreateSession(t.Context(), one))
		together(4, func(i int) error {
			if i == 0 {
				_, err := s.DeleteAccountSessions(t.Context(), one.AccountID, "")
				return err
			}
			return renew(i)
		})
		list, err := s.ListSessions(t.Context(), one.AccountID)
		ok(t, err)
		if len(list) > 0 {
			t.Errorf("%d sessions of one that was renewed while its account was signed out", len(list))
		}
	}
}
