package gateway

import (
	"net/http"
	"slices"
	"strings"

	"crmgate/internal/fault"
	"crmgate/internal/policy"
	"crmgate/internal/proxy"
)

// locate reads the target of a request and finds where it leads.
func (h *Handler) locate(r *http.Request) (proxy.Path, place, error) {
	path, err := proxy.Canonical(r)
	if err != nil {
		if h.Routes.asIs {
			return h.locateAsIs(r, err)
		}
		return path, place{}, err
	}
	if h.Routes.asIs && (path.Others != nil || !strings.HasPrefix(r.RequestURI, path.Decoded)) {
		if host, err := h.host(r, path); err == nil {
			if at := h.read(host, r.Method, path.Decoded); at.route != nil && at.route.asIs {
				return h.locateAsIs(r, doubtful("path"))
			}
		}
	}
	at, err := h.place(r, path)
	return path, at, err
}

// locateAsIs is for upstreams that want every path untouched. Every reading must lead to one and the same of them; the rules of all of
// them hold. Otherwise it is refused, as it would be for any other upstream.
func (h *Handler) locateAsIs(r *http.Request, refused error) (proxy.Path, place, error) {
	path, err := proxy.AsIs(r)
	if err != nil {
		return path, place{}, err
	}
	host, err := h.host(r, path)
	if err != nil {
		return path, place{}, err
	}
	methods := []string{r.Method}
	if h.Rules.UsesMethods() {
		methods = append(methods, overrides(r.Header, path.Target)...)
	}
	at := h.read(host, r.Method, path.Decoded)
	for _, reading := range append([]string{path.Decoded}, path.Others...) {
		for _, method := range methods {
			other := h.read(host, method, reading)
			if other.route == nil || !other.route.asIs || other.route.upstream != at.route.upstream {
				return path, place{}, refused
			}
			if other.rule != at.rule && !slices.Contains(at.also, other.rule) {
				at.also = append(at.also, other.rule)
			}
		}
	}
	return path, at, nil
}

// host returns the host that a request is for. A target that names another one than we are is refused.
func (h *Handler) host(r *http.Request, path proxy.Path) (string, error) {
	if path.Authority != "" && bareHost(path.Authority) != bareHost(h.PublicURL.Host) && !h.Routes.names(path.Authority) {
		return "", fault.New(fault.Invalid, "This is not the address of the application.").WithReason("authority")
	}
	if r.ProtoMajor > 1 && !speakable(r) {
		return "", fault.New(fault.Invalid, "This request cannot be read without doubt, so it was not passed on.").WithReason("http2_head")
	}
	return hostOf(r), nil
}

// speakable reports whether a request in HTTP/2 has a method and a host that HTTP/1.1 has words for, and one host only (RFC 9113, 8.3.1). Package
// net/http sees to that for HTTP/1.1 alone; a CRM behind it would be sent two hosts, or be taken for one that does not answer.
func speakable(r *http.Request) bool {
	for _, host := range r.Header["Host"] {
		if host != r.Host {
			return false
		}
	}
	return len(r.Header["Host"]) < 2 && !strings.ContainsFunc(r.Method, notToken) && !strings.ContainsFunc(r.Host, notHost)
}

// notToken reports whether a character cannot be in a method (RFC 9110, 5.6.2).
func notToken(c rune) bool { return notIn(c, "!#$%&'*+-.^_`|~") }

// notHost reports whether a character cannot be in a host with a port (RFC 3986, 3.2.2).
func notHost(c rune) bool { return notIn(c, "!$&'()*+,-.:;=[]_~%") }

func notIn(c rune, signs string) bool {
	letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	return !letter && !strings.ContainsRune(signs, c)
}

// strictest decides by every rule that a request may be under, and says which of them it was.
func (h *Handler) strictest(at place, who policy.Subject) (rule int, d policy.Decision) {
	rule, d = at.rule, h.Rules.Decide(at.rule, who)
	for _, also := range at.also {
		if other := h.Rules.Decide(also, who); rank(other.Outcome) > rank(d.Outcome) {
			rule, d = also, other
		}
	}
	return rule, d
}

// rank orders outcomes by how much they keep out.
func rank(o policy.Outcome) int {
	switch o {
	case policy.Allowed:
		return 0
	case policy.StepUp:
		return 1
	case policy.SignIn:
		return 2
	}
	return 3
}
