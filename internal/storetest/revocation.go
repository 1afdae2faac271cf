package storetest

import (
	"net/http/httptest"
	"testing"
	"time"

	"crmgate/internal/session"
	"crmgate/internal/token"
)

// Revocation is the promise of two seconds: what another process ends through there is refused by a session.Manager over
// here within that time. Both stores hold the same sessions.
func Revocation(t *testing.T, here, there session.Store) {
	m := &session.Manager{Store: here, Config: session.Config{}.Default()}
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	accountID := token.NewID()
	s, err := m.Start(w, r, session.Session{AccountID: accountID, Groups: []string{"sales"}})
	ok(t, err)
	r.AddCookie(w.Result().Cookies()[0])
	got, err := m.Lookup(r)
	ok(t, err)
	same(t, "Lookup after Start", s, got)
	_, err = there.DeleteAccountSessions(t.Context(), accountID, "")
	ok(t, err)
	for ended := time.Now(); got != nil; time.Sleep(10 * time.Millisecond) {
		got, err = m.Lookup(r)
		ok(t, err)
		if got != nil && time.Since(ended) > 2*time.Second {
			t.Fatal("two seconds after its end the session still passes")
		}
	}
}
