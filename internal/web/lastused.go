package web

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"crmgate/internal/account"
	"crmgate/internal/signin"
)

const (
	lastUsedCookie   = "crmgate_last"
	lastUsedLifetime = 365 * 24 * time.Hour
	// maxLastUsed bounds the cookie's value in bytes.
	maxLastUsed = 1 << 10
)

// remember keeps on the device, and nowhere else, how somebody signed in. It proves nothing: it fills in a field.
func (h *Site) remember(w http.ResponseWriter, used signin.Way) {
	if used.Provider == "" || used.Identifier == "" {
		return
	}
	value := base64.RawURLEncoding.EncodeToString([]byte(used.Provider + " " + used.Identifier))
	if len(value) <= maxLastUsed {
		http.SetCookie(w, h.lastUsedCookie(value, int(lastUsedLifetime/time.Second)))
	}
}

// lastUsed returns the way that was used last on this device; what does not look like one, or names a way that is gone, is none.
func (h *Site) lastUsed(r *http.Request) (used signin.Way, name string, ok bool) {
	cookies := r.CookiesNamed(h.lastUsedName())
	if len(cookies) != 1 || len(cookies[0].Value) > maxLastUsed {
		return used, "", false
	}
	b, err := base64.RawURLEncoding.DecodeString(cookies[0].Value)
	if err != nil || !utf8.Valid(b) {
		return used, "", false
	}
	used.Provider, used.Identifier, ok = strings.Cut(string(b), " ")
	if _, problem := identifierOf(map[string][]string{"identifier": {used.Identifier}}); !ok || problem != "" {
		return signin.Way{}, "", false
	}
	if used.Provider == account.OwnerLocal {
		return used, "", h.Local
	}
	p, known := h.Realms.Get(used.Provider)
	if !known {
		return signin.Way{}, "", false
	}
	return used, p.Info().Name, true
}

// forget removes it: "not you?".
func (h *Site) forget(w http.ResponseWriter, r *http.Request) {
	if len(r.CookiesNamed(h.lastUsedName())) > 0 {
		http.SetCookie(w, h.lastUsedCookie("", -1))
	}
}

func (h *Site) lastUsedName() string {
	if h.Secure {
		return "__Secure-" + lastUsedCookie
	}
	return lastUsedCookie
}

func (h *Site) lastUsedCookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: h.lastUsedName(), Value: value, Path: h.Prefix + "/", MaxAge: maxAge,
		HttpOnly: true, Secure: h.Secure, SameSite: http.SameSiteLaxMode}
}
