package session_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

func TestOwnSessions(t *testing.T) {
	m, f, c := newManager()
	first, cookie := start(t, m, session.Session{AccountID: "ann", Name: "Ann"})
	c.add(m.Config.IdleTimeout / 2)
	second, _ := start(t, m, session.Session{AccountID: "ann", Name: "Ann"})
	bob, _ := start(t, m, session.Session{AccountID: "bob", Name: "Bob"})
	ids := func() []string {
		all, err := m.ListOwn(t.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range all {
			out = append(out, s.ID)
		}
		slices.Sort(out)
		return out
	}
	want := []string{first.ID, second.ID}
	slices.Sort(want)
	if d := cmp.Diff(want, ids()); d != "" {
		t.Errorf("own sessions (-want +got):\n%s", d)
	}
	if all, err := m.ListOwn(t.Context(), ""); err != nil || len(all) > 0 {
		t.Errorf("nobody's sessions: %v, %v", all, err)
	}

	if err := m.Rename(t.Context(), "ann", "Ann B"); err != nil {
		t.Fatal(err)
	}
	if s, err := m.Lookup(request(cookie)); err != nil || s.Name != "Ann B" || f.sessions[bob.ID].Name != "Bob" {
		t.Errorf("renamed: %+v, %v; Bob is %q", s, err, f.sessions[bob.ID].Name)
	}

	for name, id := range map[string]string{"another's": bob.ID, "unknown": token.NewID(), "none": ""} {
		if err := m.EndOwn(t.Context(), "ann", id); !fault.Is(err, fault.NotFound) {
			t.Errorf("ending %s: %v", name, err)
		}
	}
	if err := m.EndOwn(t.Context(), "ann", first.ID); err != nil {
		t.Fatal(err)
	}
	if s, err := m.Lookup(request(cookie)); s != nil || err != nil {
		t.Errorf("the ended one is still there: %v, %v", s, err)
	}
	if d := cmp.Diff([]string{second.ID}, ids()); d != "" {
		t.Errorf("after the end (-want +got):\n%s", d)
	}
	c.add(m.Config.IdleTimeout)
	if got := ids(); len(got) > 0 {
		t.Errorf("idle sessions are listed: %v", got)
	}
}

func TestKnownSecrets(t *testing.T) {
	for _, secure := range []bool{false, true} {
		m := &session.Manager{Secure: secure}
		var cookie *http.Cookie
		keep := func(secret string) {
			w, r := httptest.NewRecorder(), request()
			if cookie != nil {
				r.AddCookie(cookie)
			}
			m.KeepKnownSecret(w, r, secret)
			cookie = w.Result().Cookies()[0]
		}
		var all []string
		for range 5 {
			all = append([]string{token.NewSecret()}, all...)
			keep(all[0])
		}
		if d := cmp.Diff(all[:4], m.KnownSecrets(request(cookie))); d != "" {
			t.Errorf("newest four (-want +got):\n%s", d)
		}
		keep(all[2]) // signs in again
		if d := cmp.Diff([]string{all[2], all[0], all[1], all[3]}, m.KnownSecrets(request(cookie))); d != "" {
			t.Errorf("the one just used comes first (-want +got):\n%s", d)
		}
		if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure != secure || strings.HasPrefix(cookie.Name, "__Host-") != secure || cookie.MaxAge < 399*24*3600 {
			t.Errorf("cookie %+v", cookie)
		}
		junk := *cookie
		junk.Value = "junk." + all[0]
		for name, r := range map[string]*http.Request{"none": request(), "two": request(cookie, cookie), "junk": request(&junk)} {
			if got := m.KnownSecrets(r); got != nil {
				t.Errorf("%s: %v", name, got)
			}
		}
		// What stands in for a second step is another cookie: to be known opens nothing.
		if got := m.DeviceSecrets(request(cookie)); got != nil {
			t.Errorf("a known browser stands in for a second step: %v", got)
		}
	}
}
