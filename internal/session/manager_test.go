package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

func newManager() (*session.Manager, *fake, *clock) {
	f, c := newFake(), newClock()
	return &session.Manager{Store: f, Config: session.Config{}.Default(), Now: c.now}, f, c
}

// start signs somebody in and returns the cookie as the browser keeps it.
func start(t *testing.T, m *session.Manager, s session.Session, cookies ...*http.Cookie) (*session.Session, *http.Cookie) {
	t.Helper()
	w := httptest.NewRecorder()
	got, err := m.Start(w, request(cookies...), s)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	for _, c := range w.Result().Cookies() {
		if c.Name == m.CookieName() {
			return got, c
		}
	}
	t.Fatal("Start set no session cookie")
	return nil, nil
}

func request(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// lookup returns the id of the session that a cookie opens, "" for none.
func lookup(t *testing.T, m *session.Manager, cookies ...*http.Cookie) string {
	t.Helper()
	s, err := m.Lookup(request(cookies...))
	if err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	if s == nil {
		return ""
	}
	return s.ID
}

func TestStartCookie(t *testing.T) {
	tests := []struct {
		name             string
		secure, remember bool
		want             http.Cookie
	}{
		{"http", false, false, http.Cookie{Name: "crmgate_session"}},
		{"https", true, false, http.Cookie{Name: "__Host-crmgate_session", Secure: true}},
		{"https, remembered", true, true, http.Cookie{Name: "__Host-crmgate_session", Secure: true, MaxAge: 30 * 24 * 3600}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, _, _ := newManager()
			m.Secure = tt.secure
			s, c := start(t, m, session.Session{AccountID: "a", Remember: tt.remember})
			got := http.Cookie{Name: c.Name, Path: c.Path, Domain: c.Domain, MaxAge: c.MaxAge, Secure: c.Secure, HttpOnly: c.HttpOnly, SameSite: c.SameSite}
			tt.want.Path, tt.want.HttpOnly, tt.want.SameSite = "/", true, http.SameSiteLaxMode
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("cookie (-want +got):\n%s", d)
			}
			id, secret, _ := strings.Cut(c.Value, ".")
			if id != s.ID || token.Digest(secret) != s.SecretDigest {
				t.Errorf("cookie %q does not name session %s", c.Value, s.ID)
			}
			if got := lookup(t, m, c); got != s.ID {
				t.Errorf("Lookup = %q, want %q", got, s.ID)
			}
		})
	}
}

func TestStartFills(t *testing.T) {
	m, f, c := newManager()
	groups := []string{"sales"}
	r := request()
	r = r.WithContext(audit.WithOrigin(r.Context(), audit.Origin{Address: "192.0.2.1", UserAgent: strings.Repeat("ü", 400)}))
	got, err := m.Start(httptest.NewRecorder(), r, session.Session{AccountID: "a", Groups: groups})
	if err != nil {
		t.Fatal(err)
	}
	groups[0] = "admins"
	want := session.Session{
		ID: got.ID, SecretDigest: got.SecretDigest, AccountID: "a", Groups: []string{"sales"},
		CheckedAt: c.now(), SignedInAt: c.now(), AuthTime: c.now(), LastSeen: c.now(), ExpiresAt: c.now().Add(24 * time.Hour), IdleTimeout: 8 * time.Hour,
		Address: "192.0.2.1", UserAgent: strings.Repeat("ü", 256),
	}
	if d := cmp.Diff(want, *got); d != "" {
		t.Errorf("session (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want, f.sessions[got.ID]); d != "" {
		t.Errorf("stored (-want +got):\n%s", d)
	}
}

func TestStartEndsTheOldSession(t *testing.T) {
	m, f, _ := newManager()
	first, old := start(t, m, session.Session{AccountID: "a"})
	second, fresh := start(t, m, session.Session{AccountID: "a"}, old)
	if first.ID == second.ID || old.Value == fresh.Value {
		t.Error("the second sign-in kept the id or the cookie")
	}
	if got := lookup(t, m, old); got != "" {
		t.Errorf("the old cookie still opens %s", got)
	}
	if d := cmp.Diff([]string{second.ID}, f.ids()); d != "" {
		t.Errorf("stored (-want +got):\n%s", d)
	}
	// An id without its secret ends nobody's session.
	start(t, m, session.Session{AccountID: "b"}, &http.Cookie{Name: old.Name, Value: second.ID + "." + token.NewSecret()})
	if got := lookup(t, m, fresh); got != second.ID {
		t.Error("a stranger's sign-in with a known id ended the session")
	}
}

func TestLimits(t *testing.T) {
	tests := []struct {
		name     string
		remember bool
		steps    []time.Duration // a look-up after each
		want     bool            // of the last
	}{
		{"used within idle", false, []time.Duration{7 * time.Hour, 7 * time.Hour}, true},
		{"idle", false, []time.Duration{7 * time.Hour, 8*time.Hour + time.Minute}, false},
		{"absolute", false, []time.Duration{7 * time.Hour, 7 * time.Hour, 7 * time.Hour, 3 * time.Hour}, false},
		{"remembered over a holiday", true, []time.Duration{29 * 24 * time.Hour}, true},
		{"remembered too long", true, []time.Duration{15 * 24 * time.Hour, 15 * 24 * time.Hour}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, _, c := newManager()
			_, cookie := start(t, m, session.Session{AccountID: "a", Remember: tt.remember})
			var got string
			for _, d := range tt.steps {
				c.add(d)
				got = lookup(t, m, cookie)
			}
			if (got != "") != tt.want {
				t.Errorf("live = %v, want %v", got != "", tt.want)
			}
		})
	}
}

func TestEnd(t *testing.T) {
	m, f, _ := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a", Issuer: "https://id.example"})
	w := httptest.NewRecorder()
	ended, err := m.End(w, request(cookie))
	if err != nil || ended == nil || ended.ID != s.ID || ended.Issuer != s.Issuer {
		t.Fatalf("End = %v, %v; want session %s", ended, err, s.ID)
	}
	cs := w.Result().Cookies()
	if len(cs) != 1 || cs[0].Name != m.CookieName() || cs[0].MaxAge != -1 || cs[0].Path != "/" || cs[0].Value != "" {
		t.Errorf("cookies = %v, want one that removes the session's", cs)
	}
	if got := lookup(t, m, cookie); got != "" || len(f.ids()) != 0 {
		t.Errorf("after End the cookie opens %q and the store holds %v", got, f.ids())
	}
	if again, err := m.End(httptest.NewRecorder(), request(cookie)); again != nil || err != nil {
		t.Errorf("second End = %v, %v; want nothing", again, err)
	}
}

func TestEndOfDoubledCookie(t *testing.T) {
	m, f, _ := newManager()
	_, cookie := start(t, m, session.Session{AccountID: "a"})
	tossed := &http.Cookie{Name: cookie.Name, Value: token.NewID() + "." + token.NewSecret()}
	if got := lookup(t, m, tossed, cookie); got != "" {
		t.Errorf("a doubled cookie opens %q", got)
	}
	if _, err := m.End(httptest.NewRecorder(), request(tossed, cookie)); err != nil || len(f.ids()) != 0 {
		t.Errorf("End = %v and leaves %v; a second cookie must not keep the session alive", err, f.ids())
	}
}

func TestEndWhileTheStoreIsDown(t *testing.T) {
	m, f, c := newManager()
	_, cookie := start(t, m, session.Session{AccountID: "a"})
	lookup(t, m, cookie)
	f.set(func(f *fake) { f.err = fault.New(fault.Unavailable, "The store is down.") })
	w := httptest.NewRecorder()
	if _, err := m.End(w, request(cookie)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("End = %v, want unavailable", err)
	}
	if len(w.Result().Cookies()) != 0 {
		t.Error("the cookie was removed although the session lives on")
	}
	c.add(session.Freshness)
	if s, err := m.Lookup(request(cookie)); s != nil || !fault.Is(err, fault.Unavailable) {
		t.Errorf("Lookup = %v, %v; want nobody to pass", s, err)
	}
	f.set(func(f *fake) { f.err = nil })
	if got := lookup(t, m, cookie); got == "" {
		t.Error("the session did not come back with the store")
	}
}

func TestStartWhileTheStoreIsDown(t *testing.T) {
	m, f, _ := newManager()
	f.err = errors.New("down")
	w := httptest.NewRecorder()
	if s, err := m.Start(w, request(), session.Session{}); err == nil || s != nil || len(w.Result().Cookies()) != 0 {
		t.Errorf("Start = %v, %v with cookies %v; want only an error", s, err, w.Result().Cookies())
	}
}

func TestEndAccountAndRevoke(t *testing.T) {
	m, f, _ := newManager()
	a1, c1 := start(t, m, session.Session{AccountID: "a"})
	_, c2 := start(t, m, session.Session{AccountID: "a"})
	b, c3 := start(t, m, session.Session{AccountID: "b"})
	for _, c := range []*http.Cookie{c1, c2, c3} {
		lookup(t, m, c) // into memory
	}
	if err := m.EndAccount(t.Context(), "a", a1.ID); err != nil {
		t.Fatal(err)
	}
	if got := []string{lookup(t, m, c1), lookup(t, m, c2), lookup(t, m, c3)}; !slices.Equal(got, []string{a1.ID, "", b.ID}) {
		t.Errorf("after EndAccount the cookies open %q", got)
	}
	if err := m.Revoke(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if got := lookup(t, m, c3); got != "" {
		t.Errorf("after Revoke the cookie opens %q", got)
	}
	if err := m.Revoke(t.Context(), b.ID); err != nil {
		t.Errorf("second Revoke: %v", err)
	}
	f.set(func(f *fake) { f.err = errors.New("down") })
	if m.EndAccount(t.Context(), "a", "") == nil || m.Revoke(t.Context(), a1.ID) == nil {
		t.Error("a revocation that the store did not take was no error")
	}
}

func TestMaxPerAccount(t *testing.T) {
	m, f, c := newManager()
	m.Config.MaxPerAccount = 2
	var ids []string
	for range 4 {
		s, _ := start(t, m, session.Session{AccountID: "a"})
		ids = append(ids, s.ID)
		c.add(time.Second)
	}
	other, _ := start(t, m, session.Session{AccountID: "b"})
	want := []string{ids[2], ids[3], other.ID}
	slices.Sort(want)
	if d := cmp.Diff(want, f.ids()); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
}

// TestMaxPerAccountThatFails: an error page while one is signed in would be a lie.
func TestMaxPerAccountThatFails(t *testing.T) {
	m, f, _ := newManager()
	m.Config.MaxPerAccount = 1
	f.listErr = fault.New(fault.Unavailable, "Down.")
	w := httptest.NewRecorder()
	if s, err := m.Start(w, request(), session.Session{AccountID: "a"}); s != nil || !fault.Is(err, fault.Unavailable) {
		t.Errorf("Start = %v, %v; want unavailable", s, err)
	}
	if cs := w.Result().Cookies(); len(cs) != 0 || len(f.ids()) != 0 {
		t.Errorf("cookies %v and sessions %v are left", cs, f.ids())
	}
}

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*session.Config)
		want   []string
	}{
		{"default", func(*session.Config) {}, nil},
		{"redis", func(c *session.Config) { c.Store = "redis" }, nil},
		{"zero", func(c *session.Config) { *c = session.Config{} }, []string{"store", "idle_timeout", "absolute_timeout", "remember_timeout"}},
		{"idle beyond absolute", func(c *session.Config) { c.IdleTimeout = 48 * time.Hour }, []string{"idle_timeout warning"}},
		{"negative limit", func(c *session.Config) { c.MaxPerAccount = -1 }, []string{"max_per_account"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := session.Config{}.Default()
			tt.change(&c)
			var got []string
			for _, p := range c.Validate() {
				if p.Warning {
					p.Path += " warning"
				}
				got = append(got, p.Path)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

func TestStartSurvivesTheClient(t *testing.T) {
	m, f, _ := newManager()
	_, cookie := start(t, m, session.Session{AccountID: "a"})
	r := request(cookie)
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	if _, err := m.End(httptest.NewRecorder(), r.WithContext(ctx)); err != nil || len(f.ids()) != 0 {
		t.Errorf("End of a client that left = %v, leaves %v; want the session ended", err, f.ids())
	}
}

func TestProviderThatIsGone(t *testing.T) {
	m, f, _ := newManager()
	s, c := start(t, m, session.Session{AccountID: "a", Provider: "contoso"})
	_, local := start(t, m, session.Session{AccountID: "b", Provider: "local"})
	m.Known = func(id string) bool { return id == "local" }
	if got := lookup(t, m, c); got != "" {
		t.Errorf("session %s of a provider that is configured no more is live", got)
	}
	if lookup(t, m, local) == "" {
		t.Error("the session of a known provider is gone")
	}
	if _, err := m.End(httptest.NewRecorder(), request(c)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.GetSession(t.Context(), s.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("after the sign-out its record is still there: %v", err)
	}
}
