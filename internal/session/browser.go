package session

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"crmgate/internal/token"
)

// browserLifetime is how long the pre-sign-in cookie stays. It outlives every attempt that starts while it is there,
// because each start renews it.
const browserLifetime = time.Hour

func (m *Manager) browserName() string {
	if m.Secure {
		return hostPrefix + browserCookie
	}
	return browserCookie
}

// Browser returns the digest of the browser's pre-sign-in cookie, to which a sign-in attempt is bound. It sets the
// cookie where it is missing, doubled or malformed, and renews its lifetime otherwise. Called twice for one response it
// returns the same digest.
func (m *Manager) Browser(w http.ResponseWriter, r *http.Request) (digest string) {
	secret, ok := pending(w, m.browserName())
	if !ok {
		secret, ok = m.browserSecret(r)
	}
	if !ok {
		secret = token.NewSecret()
	}
	setCookie(w, sessions.NewCookie(m.browserName(), secret, m.options(browserLifetime)))
	return token.Digest(secret)
}

// BrowserDigest returns the digest of the browser's pre-sign-in cookie and whether it has exactly one that is well formed.
func (m *Manager) BrowserDigest(r *http.Request) (string, bool) {
	secret, ok := m.browserSecret(r)
	if !ok {
		return "", false
	}
	return token.Digest(secret), true
}

func (m *Manager) browserSecret(r *http.Request) (string, bool) {
	value, n := find(r.Header["Cookie"], m.browserName())
	return value, n == 1 && wellFormed(value)
}

// pending returns the well-formed secret that this response already gives the browser under a name.
func pending(w http.ResponseWriter, name string) (string, bool) {
	for _, line := range w.Header()["Set-Cookie"] {
		if rest, ok := strings.CutPrefix(line, name+"="); ok {
			value, _, _ := strings.Cut(rest, ";")
			return value, wellFormed(value)
		}
	}
	return "", false
}

// options are the attributes of all our cookies. Lax and not Strict: the way back from a provider is a cross-site
// navigation. No Domain: a sister host has no business with them.
func (m *Manager) options(maxAge time.Duration) *sessions.Options {
	return &sessions.Options{Path: "/", MaxAge: int(maxAge / time.Second), Secure: m.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// setCookie adds a cookie to the response in place of an earlier one of the same name (RFC 6265 4.1.1 allows only one).
func setCookie(w http.ResponseWriter, c *http.Cookie) {
	dropCookie(w, c.Name)
	http.SetCookie(w, c)
}

// dropCookie takes back what setCookie did to a response.
func dropCookie(w http.ResponseWriter, name string) {
	lines := w.Header()["Set-Cookie"]
	kept := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(line, name+"=") })
	switch {
	case len(kept) == 0:
		w.Header().Del("Set-Cookie")
	case len(kept) < len(lines):
		w.Header()["Set-Cookie"] = kept
	}
}
