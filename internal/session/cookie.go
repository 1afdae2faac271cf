package session

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

const (
	idLen     = 32 // token.NewID
	secretLen = 43 // token.NewSecret
)

// The cookie names without and with the prefix that binds a cookie to this host (RFC 6265bis 4.1.3.2).
const (
	sessionCookie = "crmgate_session"
	browserCookie = "crmgate_browser"
	hostPrefix    = "__Host-"
)

// CookieName returns the name of the session cookie.
func (m *Manager) CookieName() string {
	if m.Secure {
		return hostPrefix + sessionCookie
	}
	return sessionCookie
}

// OwnCookies returns the names of every cookie that the gateway sets, with and without prefix; a star stands for any ending. They are nobody else's
// business: the proxy takes them out of what the CRM receives.
func (m *Manager) OwnCookies() []string {
	return []string{"crmgate_*", hostPrefix + "crmgate_*", "__Secure-crmgate_*"}
}

// find returns the last value of the cookie called name and how often it occurs in a request's Cookie lines. Names are
// compared byte for byte: browsers guard "__Host-" only in this spelling, and "__HOST-" could come from a neighbour host.
func find(lines []string, name string) (value string, n int) {
	for _, line := range lines {
		for line != "" {
			var pair string
			if i := strings.IndexByte(line, ';'); i >= 0 {
				pair, line = line[:i], line[i+1:]
			} else {
				pair, line = line, ""
			}
			pair = trim(pair)
			if len(pair) > len(name) && pair[len(name)] == '=' && pair[:len(name)] == name {
				value = pair[len(name)+1:]
				n++
			}
		}
	}
	return value, n
}

// every returns all values of the cookie called name.
func every(lines []string, name string) []string {
	var all []string
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			if v, ok := strings.CutPrefix(trim(pair), name+"="); ok {
				all = append(all, v)
			}
		}
	}
	return all
}

// trim removes optional white space (RFC 9110 5.6.3) and nothing else.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// presented returns the id and secret of the request's session cookie. A cookie that comes twice is refused: which of the
// two is ours cannot be known, and the other was put there by somebody.
func (m *Manager) presented(r *http.Request) (id, secret string, ok bool) {
	value, n := find(r.Header["Cookie"], m.CookieName())
	if n != 1 {
		return "", "", false
	}
	return split(value)
}

// split takes "id.secret" apart by length. What it returns may still be junk: a look-up in memory refuses that without
// looking at each character, and before the store is asked there is genuine.
func split(value string) (id, secret string, ok bool) {
	if len(value) != idLen+1+secretLen || value[idLen] != '.' {
		return "", "", false
	}
	return value[:idLen], value[idLen+1:], true
}

// genuine reports whether Start could have written an id and a secret.
func genuine(id, secret string) bool {
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(id) == idLen && wellFormed(secret)
}

// wellFormed is token.WellFormed without its allocations.
func wellFormed(secret string) bool {
	if len(secret) != secretLen {
		return false
	}
	for i := range len(secret) {
		if sextet(secret[i]) < 0 {
			return false
		}
	}
	// 43 characters carry 258 bits. The two that are too many must be zero, or one secret would have four spellings.
	return sextet(secret[secretLen-1])&3 == 0
}

// sextet returns the value of a base64url character, or -1.
func sextet(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '-':
		return 62
	case c == '_':
		return 63
	}
	return -1
}

// opens reports in constant time whether a secret of the right length is the one that digest was made from.
func opens(secret string, digest *[sha256.Size]byte) bool {
	var b [secretLen]byte // on the stack: this runs for every request
	copy(b[:], secret)
	sum := sha256.Sum256(b[:])
	return subtle.ConstantTimeCompare(sum[:], digest[:]) == 1
}
