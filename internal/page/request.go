package page

import (
	"net/http"
	"strings"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// Navigation reports whether a request is a browser on its way to a page: Sec-Fetch-Mode says so or, in browsers and clients
// without it, Accept names HTML. Everything else is a program, which a page or a redirect to one would only confuse.
func Navigation(r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return accepts(r, "text/html") && r.Header.Get("X-Requested-With") == ""
}

func accepts(r *http.Request, mediaType string) bool {
	for _, line := range r.Header.Values("Accept") {
		if strings.Contains(strings.ToLower(line), mediaType) {
			return true
		}
	}
	return false
}

// wantsPage is Navigation, but for requests that say nothing about themselves: below the prefix they get a page, because
// pages are what stands there.
func (p *Pages) wantsPage(r *http.Request) bool {
	if Navigation(r) {
		return true
	}
	silent := r.Header.Get("Sec-Fetch-Mode") == "" && r.Header.Get("Upgrade") == "" && !accepts(r, "json")
	return silent && p.ours(r)
}

// ours reports whether the address is one of the gateway's own.
func (p *Pages) ours(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, p.prefix+"/")
}

// next returns label and address of the one thing to do. A fault that names none leads to the CRM's start page, or, where waiting
// is what helps, back to where the person was going.
func (p *Pages) next(r *http.Request, f *fault.Error) (label, address string) {
	if below := f.Next.Path; local(below) {
		return f.Next.Label, p.prefix + below
	}
	switch f.Kind {
	case fault.Upstream, fault.Timeout, fault.Unavailable, fault.TooMany:
		if here := r.URL.RequestURI(); r.Method == http.MethodGet && !p.ours(r) && local(here) {
			return "Try again", here
		}
	}
	return "", "/"
}

// local reports whether an address stays on our own origin when a browser follows it.
func local(address string) bool {
	return strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//") && !strings.ContainsAny(address, "\\\t\r\n")
}

// webAddress reports whether an address can be followed to a web page.
func webAddress(address string) bool {
	return strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://")
}

// reference returns the request's id, or a fresh one where no middleware gave it one.
func reference(r *http.Request) string {
	if ref := audit.OriginOf(r.Context()).Reference; ref != "" {
		return ref
	}
	return token.NewID()
}

// loggedPath returns what the log may know of the address. The pattern where there is one: the path behind a mailed link is a
// secret.
func loggedPath(r *http.Request) string {
	if _, path, ok := strings.Cut(r.Pattern, "/"); ok {
		return "/" + path
	}
	// No route has seen it yet: a long segment may be the token of a mailed link all the same.
	segments := strings.Split(r.URL.Path, "/")
	for i, segment := range segments {
		if len(segment) > maxLoggedSegment {
			segments[i] = "…"
		}
	}
	return strings.Join(segments, "/")
}

// maxLoggedSegment is shorter than a token and longer than a UUID.
const maxLoggedSegment = 40
