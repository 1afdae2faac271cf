package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crmgate/internal/session"
)

// visitor is a browser as far as the pace goes: it keeps the cookies that it is given.
type visitor struct {
	m   *session.Manager
	jar map[string]*http.Cookie
}

func (v *visitor) do(f func(w http.ResponseWriter, r *http.Request)) {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range v.jar {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	f(w, r)
	for _, c := range w.Result().Cookies() {
		if v.jar[c.Name] = c; c.MaxAge < 0 {
			delete(v.jar, c.Name)
		}
	}
}

func (v *visitor) pace() (p session.Pace) {
	v.do(func(w http.ResponseWriter, r *http.Request) { p = v.m.Pace(w, r) })
	return p
}

func TestPace(t *testing.T) {
	m, _, c := newManager()
	v := &visitor{m: m, jar: map[string]*http.Cookie{}}
	step := func(what string, want session.Pace) {
		t.Helper()
		if got := v.pace(); got != want {
			t.Errorf("%s: Pace = %d, want %d", what, got, want)
		}
	}
	signIn := func() {
		v.do(func(w http.ResponseWriter, r *http.Request) {
			if _, err := m.Start(w, r, session.Session{AccountID: "a"}); err != nil {
				t.Fatal(err)
			}
		})
	}
	for range 3 { // with a sign-in that succeeds each time, as in a loop that the CRM makes
		step("within a minute", session.PaceGo)
		signIn()
		c.add(5 * time.Second)
	}
	step("the fourth", session.PaceLoop)
	c.add(46 * time.Second)
	step("a minute after the first", session.PaceGo)
	step("and at once again", session.PaceLoop)

	c.add(time.Hour)
	v.do(func(w http.ResponseWriter, _ *http.Request) { m.WaitForClick(w) })
	step("signed out", session.PaceWait)
	c.add(24 * time.Hour)
	step("signed out, a day later", session.PaceWait)
	signIn()
	step("signed in again", session.PaceGo)
}

func TestPaceOfHostileCookies(t *testing.T) {
	m, _, _ := newManager()
	for _, tt := range []struct {
		name, cookie string
		want         session.Pace
	}{
		{"junk", "crmgate_pace=x.y.-.....%00.zzzzzzzzzzzzzzzz", session.PaceGo},
		{"long", "crmgate_pace=" + strings.Repeat("1.", 30_000), session.PaceGo},
		{"far in the future", "crmgate_pace=zzzzzzzz.zzzzzzzz.zzzzzzzz", session.PaceGo},
		{"twice", "crmgate_pace=a; crmgate_pace=b", session.PaceWait},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", tt.cookie)
			if got := m.Pace(w, r); got != tt.want {
				t.Errorf("Pace = %d, want %d", got, tt.want)
			}
			if c := w.Header().Get("Set-Cookie"); len(c) > 200 {
				t.Errorf("sets %s", c)
			}
		})
	}
}
