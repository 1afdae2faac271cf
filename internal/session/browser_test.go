package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/session"
	"crmgate/internal/token"
)

func TestBrowser(t *testing.T) {
	secret := token.NewSecret()
	tests := []struct {
		name   string
		secure bool
		cookie string
		kept   bool
	}{
		{"none", false, "", false},
		{"ours", false, "crmgate_browser=" + secret, true},
		{"ours on https", true, "__Host-crmgate_browser=" + secret, true},
		{"unprefixed on https", true, "crmgate_browser=" + secret, false},
		{"malformed", false, "crmgate_browser=" + secret + "x", false},
		{"doubled", false, "crmgate_browser=" + secret + "; crmgate_browser=" + secret, false},
		{"other name", false, "crmgate_session=" + secret, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &session.Manager{Secure: tt.secure}
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", tt.cookie)
			if digest, ok := m.BrowserDigest(r); ok != tt.kept || ok && digest != token.Digest(secret) {
				t.Errorf("BrowserDigest = %q, %v; want %v", digest, ok, tt.kept)
			}
			w := httptest.NewRecorder()
			digest := m.Browser(w, r)
			if (digest == token.Digest(secret)) != tt.kept {
				t.Errorf("Browser kept the cookie: %v, want %v", !tt.kept, tt.kept)
			}
			if again := m.Browser(w, r); again != digest {
				t.Error("called twice for one response, Browser gave two digests")
			}
			cs := w.Result().Cookies()
			if len(cs) != 1 {
				t.Fatalf("%d cookies set, want 1", len(cs))
			}
			got := http.Cookie{Name: cs[0].Name, Path: cs[0].Path, MaxAge: cs[0].MaxAge, Secure: cs[0].Secure, HttpOnly: cs[0].HttpOnly, SameSite: cs[0].SameSite}
			want := http.Cookie{Name: "crmgate_browser", Path: "/", MaxAge: 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode}
			if tt.secure {
				want.Name, want.Secure = "__Host-crmgate_browser", true
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("cookie (-want +got):\n%s", d)
			}
			if token.Digest(cs[0].Value) != digest {
				t.Error("the cookie is not what the digest was made from")
			}
		})
	}
}

func TestBrowserLeavesOtherCookies(t *testing.T) {
	m, _, _ := newManager()
	w := httptest.NewRecorder()
	http.SetCookie(w, &http.Cookie{Name: "crm", Value: "1"})
	m.Browser(w, request())
	if _, err := m.Start(w, request(), session.Session{}); err != nil {
		t.Fatal(err)
	}
	m.Browser(w, request())
	var names []string
	for _, c := range w.Result().Cookies() {
		names = append(names, c.Name)
	}
	if d := cmp.Diff([]string{"crm", "crmgate_session", "crmgate_browser"}, names); d != "" {
		t.Errorf("cookies (-want +got):\n%s", d)
	}
	for _, c := range w.Result().Cookies() {
		if strings.HasPrefix(c.Name, "crmgate") && !contains(m.OwnCookies(), c.Name) {
			t.Errorf("OwnCookies does not name %s", c.Name)
		}
	}
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if prefix, ok := strings.CutSuffix(s, "*"); s == one || ok && strings.HasPrefix(one, prefix) {
			return true
		}
	}
	return false
}
