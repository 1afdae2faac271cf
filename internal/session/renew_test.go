package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/session"
)

func TestRenew(t *testing.T) {
	tests := []struct {
		name string
		was  session.Session
		// asked is true while a provider is being asked, kept where the session then keeps its name.
		asked, kept bool
	}{
		{"a local session", session.Session{AccountID: "a"}, false, false},
		{"one that stays", session.Session{AccountID: "a", Remember: true}, false, false},
		{"of a provider", session.Session{AccountID: "a", Grant: "grant"}, false, false},
		{"of a provider that is being asked", session.Session{AccountID: "a", Grant: "grant"}, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, f, c := newManager()
			first, old := start(t, m, tt.was)
			bystander, _ := start(t, m, session.Session{AccountID: "b"})
			lookup(t, m, old)
			c.add(time.Hour)
			if tt.asked {
				if _, err := m.Update(t.Context(), first.ID, func(s *session.Session) error { s.CheckAfter = c.now().Add(time.Minute); return nil }); err != nil {
					t.Fatal(err)
				}
			}
			w := httptest.NewRecorder()
			got, err := m.Renew(w, request(old), first.ID, func(s *session.Session) error { s.FactorAt = c.now(); return nil })
			if err != nil {
				t.Fatal(err)
			}
			if !f.sessions[got.ID].FactorAt.Equal(c.now()) || got.Bound() != first.SecretDigest || len(f.sessions) != 2 || f.sessions[bystander.ID].ID == "" {
				t.Errorf("renewed %+v, %d sessions", got, len(f.sessions))
			}
			cookies := w.Result().Cookies()
			if tt.kept {
				if len(cookies) > 0 || lookup(t, m, old) != first.ID {
					t.Errorf("cookies %v, and the former opens %q", cookies, lookup(t, m, old))
				}
				return
			}
			if len(cookies) != 1 || lookup(t, m, old) != "" || lookup(t, m, cookies[0]) != got.ID || got.ID == first.ID {
				t.Fatalf("cookies %v, session %q; the former one opens %q", cookies, got.ID, lookup(t, m, old))
			}
			want := &http.Cookie{Name: old.Name, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
			if tt.was.Remember {
				want.MaxAge = int((30*24*time.Hour - time.Hour) / time.Second)
			}
			fresh := cookies[0]
			if d := cmp.Diff(want, &http.Cookie{Name: fresh.Name, Path: fresh.Path, MaxAge: fresh.MaxAge, HttpOnly: fresh.HttpOnly, SameSite: fresh.SameSite}); d != "" {
				t.Errorf("cookie (-want +got):\n%s", d)
			}
			alive := func() bool {
				t.Helper()
				ok, err := m.Alive(t.Context(), first.ID)
				return ok && err == nil
			}
			if !alive() {
				t.Error("what was open under the former name ends")
			}
			// Once more: what is bound to the session stays bound.
			again, err := m.Renew(httptest.NewRecorder(), request(fresh), got.ID, func(*session.Session) error { return nil })
			if err != nil || again.Bound() != first.SecretDigest || lookup(t, m, fresh) != "" {
				t.Errorf("again: %+v, %v", again, err)
			}
			if !alive() {
				t.Error("what was open under the first name ends")
			}
			if err := m.EndAccount(t.Context(), "a", ""); err != nil || alive() {
				t.Errorf("what was open goes on after the session has ended (%v)", err)
			}
		})
	}
}

func TestRenewRefused(t *testing.T) {
	m, f, _ := newManager()
	one, cookie := start(t, m, session.Session{AccountID: "a"})
	no := errors.New("no")
	w := httptest.NewRecorder()
	if _, err := m.Renew(w, request(cookie), one.ID, func(*session.Session) error { return no }); !errors.Is(err, no) || lookup(t, m, cookie) != one.ID {
		t.Errorf("a change that refuses: %v, and the cookie opens %q", err, lookup(t, m, cookie))
	}
	delete(f.sessions, one.ID)
	if _, err := m.Renew(w, request(cookie), one.ID, func(*session.Session) error { return nil }); !fault.Is(err, fault.NotFound) || lookup(t, m, cookie) != "" {
		t.Errorf("a session that is gone: %v, and the cookie opens %q", err, lookup(t, m, cookie))
	}
	if got := w.Result().Cookies(); len(got) > 0 {
		t.Errorf("cookies %v, want none", got)
	}
}

// TestSignOutMeetsRenew signs a browser out with the cookie that it had before a step-up which another of its tabs has just finished, or finishes
// meanwhile.
func TestSignOutMeetsRenew(t *testing.T) {
	for _, tt := range []struct {
		name string
		// times is how often the session was renewed by then; meanwhile has the last one happen while the sign-out looks at the session.
		times     int
		meanwhile bool
		// secret is put in place of the cookie's.
		secret string
		lives  bool
	}{
		{name: "after it", times: 1},
		{name: "after two", times: 2},
		{name: "during it", times: 1, meanwhile: true},
		{name: "by somebody who knows the former id only", times: 1, secret: strings.Repeat("A", 43), lives: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, f, _ := newManager()
			first, old := start(t, m, session.Session{AccountID: "a"})
			id := first.ID
			renew := func() {
				s, err := m.Renew(httptest.NewRecorder(), request(old), id, func(*session.Session) error { return nil })
				if err != nil {
					t.Error(err)
					return
				}
				id = s.ID
			}
			if tt.meanwhile {
				f.onGet = func(context.Context) { f.onGet = nil; renew() }
			} else {
				for range tt.times {
					renew()
				}
			}
			if tt.secret != "" {
				old.Value = first.ID + "." + tt.secret
			}
			ended, err := m.End(httptest.NewRecorder(), request(old))
			if err != nil {
				t.Fatal(err)
			}
			if _, lives := f.sessions[id]; lives != tt.lives || (ended == nil) != tt.lives {
				t.Errorf("the renewed session lives: %t; ended %v", lives, ended)
			}
		})
	}
}
