package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

func newSession(accountID string, at time.Time) *session.Session {
	return &session.Session{
		ID: token.NewID(), SecretDigest: token.Digest(token.NewSecret()), Binding: token.Digest("first"), AccountID: accountID,
		Email: "ann@example.com", Name: "Änn O'Neil \"the\" boss", Username: "ann", Groups: []string{"sales", "a,b", "日本"},
		Provider: "contoso", Issuer: "https://id.example.com/", Subject: "00u1", ProviderSession: "sid-1", IDToken: "e30.e30.x",
		AMR: []string{"pwd", "mfa"}, SignedInAt: at, AuthTime: at.Add(-time.Minute), LastSeen: at, ExpiresAt: at.Add(time.Hour),
		IdleTimeout: 30 * time.Minute, Address: "2001:db8::1", UserAgent: "Mozilla/5.0 (X11)", Remember: true,
		Grant: "key.sealed", CheckedAt: at.Add(time.Second), FactorAt: at.Add(-time.Second), Device: "device-1",
		PasswordExpires: at.Add(100 * time.Hour), PasswordChangeURL: "https://id.example.com/change?a=1",
		LastSignIn: at.Add(-time.Hour), CheckAfter: at.Add(time.Minute), UnansweredSince: at.Add(-time.Minute),
	}
}

// Sessions is the contract of session.Store.
func Sessions(t *testing.T, s session.Store) {
	t.Run("round trip", func(t *testing.T) { sessionRoundTrip(t, s) })
	t.Run("touch", func(t *testing.T) { sessionTouch(t, s) })
	t.Run("update", func(t *testing.T) { sessionUpdate(t, s) })
	t.Run("renew", func(t *testing.T) { sessionRenew(t, s) })
	t.Run("delete", func(t *testing.T) { sessionDelete(t, s) })
	t.Run("accounts apart", func(t *testing.T) { sessionAccounts(t, s) })
	t.Run("providers apart", func(t *testing.T) { sessionProviders(t, s) })
	t.Run("sweep", func(t *testing.T) { sessionSweep(t, s) })
	t.Run("hostile text", func(t *testing.T) { sessionHostile(t, s) })
	t.Run("created once", func(t *testing.T) {
		one := newSession(token.NewID(), now())
		oneWins(t, "CreateSession", fault.Conflict, together(20, func(int) error { return s.CreateSession(t.Context(), one) }))
	})
	t.Run("touch never revives", func(t *testing.T) { sessionNoRevival(t, s) })
	t.Run("sign-out meets renewal", func(t *testing.T) { sessionSignOutMeetsRenewal(t, s) })
	t.Run("streams outlive renewal", func(t *testing.T) { sessionStreamsOutliveRenewal(t, s) })
	t.Run("revocation meets sign-ins", func(t *testing.T) { sessionRevocationRace(t, s) })
}

func sessionRoundTrip(t *testing.T, s session.Store) {
	full := newSession(token.NewID(), now())
	bare := &session.Session{ID: token.NewID(), SecretDigest: token.Digest("x"), AccountID: token.NewID(), Provider: "local",
		SignedInAt: now(), LastSeen: now(), ExpiresAt: now().Add(time.Hour), IdleTimeout: time.Minute}
	for _, want := range []*session.Session{full, bare} {
		ok(t, s.CreateSession(t.Context(), want))
		got, err := s.GetSession(t.Context(), want.ID)
		ok(t, err)
		same(t, "GetSession", want, got)
	}
	_, err := s.GetSession(t.Context(), token.NewID())
	wantKind(t, "GetSession of an unknown id", err, fault.NotFound)
	_, err = s.GetSession(t.Context(), "")
	wantKind(t, "GetSession of no id", err, fault.NotFound)
}

func sessionTouch(t *testing.T, s session.Store) {
	want := newSession(token.NewID(), now())
	ok(t, s.CreateSession(t.Context(), want))
	for _, d := range []time.Duration{5 * time.Minute, 3 * time.Minute, 5 * time.Minute} { // later, back, again
		ok(t, s.TouchSession(t.Context(), want.ID, want.SignedInAt.Add(d)))
	}
	want.LastSeen = want.SignedInAt.Add(5 * time.Minute)
	got, err := s.GetSession(t.Context(), want.ID)
	ok(t, err)
	same(t, "after TouchSession", want, got)
	list, err := s.ListSessions(t.Context(), want.AccountID)
	ok(t, err)
	same(t, "ListSessions after TouchSession", []*session.Session{want}, list)
	wantKind(t, "TouchSession of an unknown id", s.TouchSession(t.Context(), token.NewID(), now()), fault.NotFound)
}

func sessionUpdate(t *testing.T, s session.Store) {
	want := newSession(token.NewID(), now())
	ok(t, s.CreateSession(t.Context(), want))
	ok(t, s.TouchSession(t.Context(), want.ID, want.SignedInAt.Add(time.Minute)))
	want.LastSeen = want.SignedInAt.Add(time.Minute)
	want.Groups, want.Grant, want.FactorAt = []string{"support"}, "key.other", want.SignedInAt.Add(time.Minute)
	got, err := s.UpdateSession(t.Context(), want.ID, func(one *session.Session) error {
		one.Groups, one.Grant, one.FactorAt = want.Groups, want.Grant, want.FactorAt
		one.ID, one.Binding = token.NewID(), "other"
		one.AccountID, one.SecretDigest, one.ExpiresAt, one.LastSeen = "other", "other", time.Time{}, time.Time{} // stay as they were
		one.Issuer, one.Subject, one.ProviderSession = "other", "other", "other"
		return nil
	})
	ok(t, err)
	same(t, "UpdateSession", want, got)
	got, err = s.GetSession(t.Context(), want.ID)
	ok(t, err)
	same(t, "GetSession after UpdateSession", want, got)

	refused := errors.New("no")
	if _, err := s.UpdateSession(t.Context(), want.ID, func(one *session.Session) error { one.Name = "x"; return refused }); !errors.Is(err, refused) {
		t.Errorf("UpdateSession with a change that refuses = %v", err)
	}
	for _, err := range together(20, func(int) error {
		_, err := s.UpdateSession(t.Context(), want.ID, func(one *session.Session) error { one.Device += "x"; return nil })
		return err
	}) {
		ok(t, err)
	}
	want.Device += strings.Repeat("x", 20)
	got, err = s.GetSession(t.Context(), want.ID)
	ok(t, err)
	same(t, "after twenty updates at once", want, got)

	ok(t, s.DeleteSession(t.Context(), want.ID))
	_, err = s.UpdateSession(t.Context(), want.ID, func(*session.Session) error { return nil })
	wantKind(t, "UpdateSession after DeleteSession", err, fault.NotFound)
	_, err = s.GetSession(t.Context(), want.ID)
	wantKind(t, "GetSession after an update too late", err, fault.NotFound)
}

func sessionDelete(t *testing.T, s session.Store) {
	one := newSession(token.NewID(), now())
	ok(t, s.CreateSession(t.Context(), one))
	for range 2 { // the second time it is gone, which is no error
		ok(t, s.DeleteSession(t.Context(), one.ID))
	}
	_, err := s.GetSession(t.Context(), one.ID)
	wantKind(t, "GetSession after DeleteSession", err, fault.NotFound)
	wantKind(t, "TouchSession after DeleteSession", s.TouchSession(t.Context(), one.ID, now().Add(time.Minute)), fault.NotFound)
	_, err = s.GetSession(t.Context(), one.ID)
	wantKind(t, "GetSession after a touch too late", err, fault.NotFound)
	list, err := s.ListSessions(t.Context(), one.AccountID)
	ok(t, err)
	same(t, "ListSessions after DeleteSession", 0, len(list))
}

func sessionAccounts(t *testing.T, s session.Store) {
	ann, bob, at := token.NewID(), token.NewID(), now()
	var anns []*session.Session
	for i := range 3 {
		one := newSession(ann, at.Add(time.Duration(i)*time.Second))
		ok(t, s.CreateSession(t.Context(), one))
		anns = append(anns, one)
	}
	other := newSession(bob, at)
	ok(t, s.CreateSession(t.Context(), other))

	list, err := s.ListSessions(t.Context(), ann)
	ok(t, err)
	same(t, "ListSessions, newest first", []*session.Session{anns[2], anns[1], anns[0]}, list)
	everybody, err := s.ListSessions(t.Context(), "")
	ok(t, err)
	for _, want := range append(anns, other) {
		if !slices.ContainsFunc(everybody, func(s *session.Session) bool { return s.ID == want.ID && s.AccountID == want.AccountID }) {
			t.Errorf("ListSessions of everybody lacks %s", want.ID)
		}
	}
	if !slices.IsSortedFunc(everybody, func(a, b *session.Session) int { return b.SignedInAt.Compare(a.SignedInAt) }) {
		t.Error("ListSessions of everybody is not newest first")
	}

	ended, err := s.DeleteAccountSessions(t.Context(), ann, anns[1].ID)
	ok(t, err)
	want := []string{anns[0].ID, anns[2].ID}
	slices.Sort(want)
	slices.Sort(ended)
	same(t, "DeleteAccountSessions", want, ended)
	list, err = s.ListSessions(t.Context(), ann)
	ok(t, err)
	same(t, "what is left", []*session.Session{anns[1]}, list)
	ended, err = s.DeleteAccountSessions(t.Context(), ann, "")
	ok(t, err)
	same(t, "DeleteAccountSessions without exception", []string{anns[1].ID}, ended)
	ended, err = s.DeleteAccountSessions(t.Context(), ann, "")
	ok(t, err)
	same(t, "DeleteAccountSessions of nothing", 0, len(ended))
	_, err = s.GetSession(t.Context(), other.ID)
	ok(t, err)
}

func sessionSweep(t *testing.T, s session.Store) {
	at := now()
	dead, live := newSession(token.NewID(), at), newSession(token.NewID(), at)
	dead.ExpiresAt = at.Add(10 * time.Minute)
	live.IdleTimeout = 24 * time.Hour
	for _, one := range []*session.Session{dead, live} {
		ok(t, s.CreateSession(t.Context(), one))
	}
	n, err := s.SweepSessions(t.Context(), at.Add(-24*time.Hour))
	ok(t, err)
	if _, err := s.GetSession(t.Context(), dead.ID); err != nil || n != 0 {
		t.Errorf("a sweep before the end removed %d sessions: %v", n, err)
	}
	n, err = s.SweepSessions(t.Context(), at.Add(20*time.Minute))
	ok(t, err)
	if n < 1 {
		t.Errorf("the sweep removed %d sessions, want at least 1", n)
	}
	_, err = s.GetSession(t.Context(), dead.ID)
	wantKind(t, "GetSession after the sweep", err, fault.NotFound)
	list, err := s.ListSessions(t.Context(), dead.AccountID)
	ok(t, err)
	same(t, "ListSessions after the sweep", 0, len(list))
	_, err = s.GetSession(t.Context(), live.ID)
	ok(t, err)
}

func sessionHostile(t *testing.T, s session.Store) {
	one := newSession("account\r\n*{}[]%s", now())
	one.Name, one.UserAgent, one.Groups = "nul\x00 and \xff\xfe", "'; DROP TABLE sessions; --\x00", []string{"\x00", "\xff", `"]`}
	ok(t, s.CreateSession(t.Context(), one))
	got, err := s.GetSession(t.Context(), one.ID)
	ok(t, err)
	same(t, "digest and account", []string{one.SecretDigest, one.AccountID}, []string{got.SecretDigest, got.AccountID})
	if len(got.Groups) != 3 {
		t.Errorf("groups = %q, want three", got.Groups)
	}
	ended, err := s.DeleteAccountSessions(t.Context(), one.AccountID, "")
	ok(t, err)
	same(t, "DeleteAccountSessions", []string{one.ID}, ended)
}

func sessionNoRevival(t *testing.T, s session.Store) {
	for range 20 {
		one := newSession(token.NewID(), now())
		ok(t, s.CreateSession(t.Context(), one))
		errs := together(6, func(i int) error {
			if i == 0 {
				return s.DeleteSession(t.Context(), one.ID)
			}
			return s.TouchSession(t.Context(), one.ID, one.SignedInAt.Add(time.Duration(i)*time.Minute))
		})
		for i, err := range errs {
			if err != nil && (i == 0 || !fault.Is(err, fault.NotFound)) {
				t.Errorf("goroutine %d: %v", i, err)
			}
		}
		_, err := s.GetSession(t.Context(), one.ID)
		wantKind(t, "GetSession after the race", err, fault.NotFound)
		list, err := s.ListSessions(t.Context(), one.AccountID)
		ok(t, err)
		same(t, "ListSessions after the race", 0, len(list))
	}
}

func sessionRevocationRace(t *testing.T, s session.Store) {
	accountID := token.NewID()
	var ended atomic.Int64
	for _, err := range together(30, func(i int) error {
		if i%3 == 0 {
			ids, err := s.DeleteAccountSessions(t.Context(), accountID, "")
			ended.Add(int64(len(ids)))
			return err
		}
		return s.CreateSession(t.Context(), newSession(accountID, now()))
	}) {
		ok(t, err)
	}
	ids, err := s.DeleteAccountSessions(t.Context(), accountID, "")
	ok(t, err)
	if got := int(ended.Load()) + len(ids); got != 20 {
		t.Errorf("20 sessions were created and %d were reported as ended", got)
	}
}
