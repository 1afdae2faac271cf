package storetest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"crmgate/internal/fault"
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

// interrupted is a store in which something happens just before a session is deleted.
type interrupted struct {
	session.Store
	before func()
}

func (i *interrupted) DeleteSession(ctx context.Context, id string) error {
	if before := i.before; before != nil {
		i.before = nil
		before()
	}
	return i.Store.DeleteSession(ctx, id)
}

// sessionSignOutMeetsRenewal signs a browser out with the cookie that a renewal replaces, in every order: nothing of it stays.
func sessionSignOutMeetsRenewal(t *testing.T, store session.Store) {
	for _, order := range []string{"renewed before", "renewed after the look-up", "renewed after"} {
		t.Run(order, func(t *testing.T) {
			slow := &interrupted{Store: store}
			here := &session.Manager{Store: slow, Config: session.Config{}.Default()}
			there := &session.Manager{Store: store, Config: session.Config{}.Default()}
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			s, err := here.Start(w, r, session.Session{AccountID: token.NewID()})
			ok(t, err)
			r.AddCookie(w.Result().Cookies()[0])
			other, err := here.Start(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), session.Session{AccountID: s.AccountID})
			ok(t, err)

			var fresh []*http.Cookie
			var renewed error
			renew := func() {
				w := httptest.NewRecorder()
				_, renewed = there.Renew(w, r, s.ID, func(*session.Session) error { return nil })
				fresh = w.Result().Cookies()
			}
			switch order {
			case "renewed before":
				renew()
			case "renewed after the look-up":
				slow.before = renew
			}
			_, err = here.End(httptest.NewRecorder(), r)
			ok(t, err)
			if order == "renewed after" {
				renew()
				wantKind(t, "Renew", renewed, fault.NotFound)
			} else {
				ok(t, renewed)
				again := httptest.NewRequest("GET", "/", nil)
				again.AddCookie(fresh[0])
				for _, m := range []*session.Manager{here, there} {
					if got, err := m.Lookup(again); got != nil || err != nil {
						t.Errorf("the renewed session outlives the sign-out: %v, %v", got, err)
					}
				}
			}
			list, err := store.ListSessions(t.Context(), s.AccountID)
			ok(t, err)
			if len(list) != 1 || list[0].ID != other.ID {
				t.Errorf("%d sessions are left, want the one of another browser", len(list))
			}
		})
	}
}

// sessionStreamsOutliveRenewal asks one process about a session that another one renews, twice, and then ends.
func sessionStreamsOutliveRenewal(t *testing.T, store session.Store) {
	here := &session.Manager{Store: store, Config: session.Config{}.Default()}
	there := &session.Manager{Store: store, Config: session.Config{}.Default()}
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	s, err := there.Start(w, r, session.Session{AccountID: token.NewID()})
	ok(t, err)
	_, err = here.Start(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), session.Session{AccountID: s.AccountID})
	ok(t, err)
	cookie := w.Result().Cookies()[0]
	alive := func(want bool) {
		t.Helper()
		got, err := here.Alive(t.Context(), s.ID)
		ok(t, err)
		if got != want {
			t.Errorf("what is open under the first name: alive %v, want %v", got, want)
		}
	}
	alive(true)
	id := s.ID
	for range 2 {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
		r.AddCookie(cookie)
		s, err := there.Renew(w, r, id, func(*session.Session) error { return nil })
		ok(t, err)
		id, cookie = s.ID, w.Result().Cookies()[0]
		alive(true)
	}
	ok(t, there.Revoke(t.Context(), id))
	alive(false)
}
