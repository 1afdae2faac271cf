package middleware

import (
	"net/http"
	"net/netip"
	"strings"

	"crmgate/internal/audit"
)

// Origin decides where each request came from and puts the answer into the context (audit.OriginOf). Only what comes from a peer in
// trusted is believed.
func Origin(trusted []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(audit.WithOrigin(r.Context(), originOf(r, trusted))))
	})
}

// maxUserAgent bounds what a stranger can put into every audit line.
const maxUserAgent = 256

func originOf(r *http.Request, trusted []netip.Prefix) audit.Origin {
	peer := peerText(r.RemoteAddr)
	o := audit.Origin{Address: peer, Chain: peer, UserAgent: r.UserAgent(), Scheme: "http", Host: r.Host}
	if len(o.UserAgent) > maxUserAgent {
		o.UserAgent = strings.ToValidUTF8(o.UserAgent[:maxUserAgent], "")
	}
	if r.TLS != nil {
		o.Scheme = "https"
	}
	if len(trusted) > 0 {
		if a, ok := parseAddress(r.RemoteAddr); ok && contains(trusted, a) {
			believe(&o, r.Header, trusted)
		}
	}
	identify(&o)
	return o
}

// peerText returns the address of a peer without its port. RemoteAddr is made by package net, so cutting is enough; only IPv4 within
// IPv6 needs to be rewritten.
func peerText(remote string) string {
	i := strings.LastIndexByte(remote, ':')
	if i < 0 {
		return "" // a Unix socket
	}
	host := remote[:i]
	if strings.HasPrefix(host, "[") {
		a, ok := parseAddress(host)
		if !ok {
			return ""
		}
		return a.String()
	}
	return host
}

// believe takes over what a trusted proxy says. Where it says nothing, or nonsense, what we see ourselves stays.
func believe(o *audit.Origin, h http.Header, trusted []netip.Prefix) {
	o.Trusted = true
	o.Address, o.Chain = client(o.Address, h["X-Forwarded-For"], trusted)
	switch proto := lastValue(h["X-Forwarded-Proto"]); {
	case strings.EqualFold(proto, "https"):
		o.Scheme = "https"
	case strings.EqualFold(proto, "http"):
		o.Scheme = "http"
	}
	if host := lastValue(h["X-Forwarded-Host"]); authority(host) {
		o.Host = host
	}
	if id := lastValue(h["X-Request-Id"]); requestID(id) {
		o.Reference = id
	}
	if t := h["Traceparent"]; len(t) == 1 && traceparent(t[0]) {
		o.Trace = t[0]
	}
}

// client walks X-Forwarded-For from the right, over the trusted proxies, to the first address that is none. At a word that is no address
// the walk ends: what was found so far stands.
func client(peer string, lines []string, trusted []netip.Prefix) (address, chain string) {
	address, chain = peer, peer
	for i := len(lines) - 1; i >= 0; i-- {
		for rest := lines[i]; rest != ""; {
			var word string
			if j := strings.LastIndexByte(rest, ','); j >= 0 {
				rest, word = rest[:j], rest[j+1:]
			} else {
				rest, word = "", rest
			}
			a, ok := parseAddress(word)
			if !ok || len(chain) > maxChain {
				return address, chain
			}
			address = a.String()
			chain = address + ", " + chain
			if !contains(trusted, a) {
				return address, chain
			}
		}
	}
	return address, chain
}

// maxChain bounds the work that a list of nothing but trusted addresses makes.
const maxChain = 1024

// lastValue returns what the nearest proxy wrote, where several appended.
func lastValue(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	s := lines[len(lines)-1]
	return strings.Trim(s[strings.LastIndexByte(s, ',')+1:], " \t")
}

func authority(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`/\@?#"<>{}|^`+"`%", c) >= 0 {
			return false
		}
	}
	return true
}
