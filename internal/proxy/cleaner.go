package proxy

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"crmgate/internal/audit"
)

// Cleaner takes cookies of the CRM off a browser whose person changes (upstreams[].cookies.clear).
type Cleaner struct {
	upstreams []Config
	names     *Names
	// secure is true where the public address is https.
	secure bool
}

// NewCleaner returns nil where no upstream names a cookie.
func NewCleaner(upstreams []Config, names *Names, secure bool) *Cleaner {
	c := &Cleaner{names: names, secure: secure}
	for _, u := range upstreams {
		if len(u.Cookies.Clear) > 0 {
			c.upstreams = append(c.upstreams, u)
		}
	}
	if len(c.upstreams) == 0 {
		return nil
	}
	return c
}

// maxCleared bounds the lines, which a proxy in front has to take with the rest of the head.
const maxCleared = 32

// Clear adds to an answer what removes the cookies. A browser does not say with which path and domain it has a cookie, and finds it only by
// these: so each is removed from the root and from the paths of its upstream, for this host and the domains above it.
func (c *Cleaner) Clear(w http.ResponseWriter, r *http.Request) {
	if c == nil {
		return
	}
	host := audit.OriginOf(r.Context()).Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]."))
	var lines []string
	for _, u := range c.upstreams {
		if len(u.Hosts) > 0 && !slices.ContainsFunc(u.Hosts, func(h string) bool { return strings.EqualFold(strings.Trim(h, "[]."), host) }) {
			continue
		}
		paths := []string{"/"}
		for _, p := range u.Paths {
			if p = strings.TrimSuffix(p, "/"); p != "" {
				paths = append(paths, p, p+"/")
			}
		}
		for _, name := range c.present(u.Cookies.Clear, r) {
			lines = append(lines, c.lines(name, paths, domains(host))...)
		}
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	for _, line := range lines[:min(len(lines), maxCleared)] {
		w.Header().Add("Set-Cookie", line)
	}
}

// present returns the names to remove: those of the request that fit, and those that need no guess. Cookies for another path than this
// one are not in the request.
func (c *Cleaner) present(patterns []string, r *http.Request) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) && !c.names.own(name) && headerText(name) {
			names = append(names, name)
		}
	}
	for _, p := range patterns {
		if !strings.Contains(p, "*") {
			add(p)
		}
	}
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			name := cookieName(pair)
			if slices.ContainsFunc(patterns, func(p string) bool { return fits(p, name) }) {
				add(name)
			}
		}
	}
	return names
}

func (c *Cleaner) lines(name string, paths, domains []string) []string {
	secure := ""
	if c.secure {
		secure = "; Secure"
	}
	if strings.HasPrefix(name, "__Host-") {
		return []string{name + gone + "; Path=/" + secure}
	}
	var lines []string
	for _, p := range paths {
		lines = append(lines, name+gone+"; Path="+p+secure)
	}
	for _, d := range domains {
		lines = append(lines, name+gone+"; Path=/; Domain="+d+secure)
	}
	return lines
}

// domains returns the host and those above it that a cookie may have been set for; browsers refuse the ones that are too wide.
func domains(host string) []string {
	if net.ParseIP(host) != nil || !strings.Contains(host, ".") {
		return nil
	}
	out := []string{host}
	if _, above, _ := strings.Cut(host, "."); strings.Contains(above, ".") {
		out = append(out, above)
	}
	return out
}

func headerText(name string) bool { return name != "" && !strings.ContainsFunc(name, notCookieText) }
