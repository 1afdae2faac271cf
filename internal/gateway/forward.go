package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/policy"
	"crmgate/internal/proxy"
	"crmgate/internal/token"
)

// ForwardAuth says who may ask Forward. Whoever asks names the request, so for a browser's own session every question would be answered
// with the identity headers and the assertion: a page of the CRM must not get to ask. The proxies in front that pass browsers' requests
// through are trusted for other reasons, so they can be told from those that ask.
type ForwardAuth struct {
	// Off lets nobody ask.
	Off bool
	// Proxies are the only peers that may ask; empty is every trusted proxy.
	Proxies []netip.Prefix
	// Secret has to come in ForwardSecretHeader; empty asks for none. With it a proxy that also passes the gateway's own pages through
	// cannot be used to ask, and answers carry the Cookie and Authorization that the CRM is to get.
	Secret token.Secret
	// Redirect answers a browser that navigates 303 instead of 401, for proxies that pass the answer on as it is.
	Redirect bool
}

// ForwardSecretHeader carries ForwardAuth.Secret.
const ForwardSecretHeader = "X-Crmgate-Forward-Secret"

// signInHeader tells a proxy in front where to send a browser that was answered 401. Location would be taken for a redirect by some.
const signInHeader = "X-Crmgate-Sign-In"

// Forward answers the forward-auth request of a proxy in front: 200 with every identity header, 401 (303 by ForwardAuth.Redirect) or 403. The request it is about is named
// by headers (nginx, Caddy, Traefik, HAProxy) or by the rest of the path (Envoy ext_authz), and those are believed only from a proxy
// that may ask: whoever may name the path chooses the rule.
func (h *Handler) Forward(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if ref := audit.OriginOf(r.Context()).Reference; ref != "" {
		w.Header().Set("X-Request-Id", ref) // a 403 page of the proxy's own can show what an administrator looks up
	}
	asked, err := h.forwarded(r)
	if err != nil {
		if s, lookup := h.Sessions.Lookup(r); lookup == nil && s == nil {
			h.required(w, signInPage()) // tells nothing, and is what a proxy in front can act on
			return nil
		}
		return err
	}
	path, at, err := h.locate(asked)
	switch {
	case err != nil:
		// The proxies in front know 401 and 403; anything else becomes a 500 of theirs.
		return fault.Wrap(fault.Forbidden, "The address of this request cannot be read without doubt.", err).WithReason("forward_path")
	case at.own:
		// A 200 without identity headers would let a proxy that copies headers pass the client's own (CVE-2026-30851); our pages
		// are to be reached without this question.
		return fault.New(fault.Forbidden, "The gateway's own pages are not asked about here.").WithReason("forward_own")
	case at.route == nil:
		return fault.New(fault.Forbidden, "There is no application at this address.").WithReason("no_upstream")
	}
	c, d, err := h.decide(asked, at, path)
	if err != nil {
		return h.challenge(w, asked, err)
	}
	switch {
	case d.Outcome == policy.Allowed:
		return h.tell(w.Header(), asked, at, path, c)
	case d.Outcome == policy.SignIn:
		h.turnAway(w, asked, path, signInPage())
		return nil
	case d.Outcome == policy.StepUp && c.grant == nil:
		h.turnAway(w, asked, path, stepUpPage())
		return nil
	default:
		return h.refuse(w, asked, path, c, d)
	}
}

// tell writes the answer that lets a request pass.
func (h *Handler) tell(to http.Header, asked *http.Request, at place, path proxy.Path, c caller) error {
	up := at.route.upstream
	if opensWebSocket(asked.Header) && !up.OwnOrigin(asked) {
		return fault.New(fault.Forbidden, "A page of another site tried to open a connection in your name. It was refused.").WithReason("foreign_origin")
	}
	id, err := h.people.identity(c.session, at.route)
	if err != nil {
		return err
	}
	if h.ForwardAuth.Secret != "" {
		// Only to a proxy that has proved itself: a script of the CRM must not get to read what the browser keeps from it.
		up.AnswerCredentials(to, asked.Header)
	}
	return up.Answer(to, asked, path, id)
}

// turnAway names the page that has to be passed first.
func (h *Handler) turnAway(w http.ResponseWriter, asked *http.Request, path proxy.Path, to stop) {
	w.Header().Set(signInHeader, h.leadsBack(asked, path, to))
	if h.ForwardAuth.Redirect {
		h.ask(w, asked, path, to)
		return
	}
	h.required(w, to)
}

// opensWebSocket reports whether the question is about a handshake. Proxies that ask leave out Upgrade, which ends at each hop.
func opensWebSocket(h http.Header) bool {
	return len(h["Sec-Websocket-Key"]) > 0 || len(h["Sec-Websocket-Version"]) > 0
}

// forwarded returns the request that a proxy asks about.
func (h *Handler) forwarded(r *http.Request) (*http.Request, error) {
	refused := fault.New(fault.Forbidden, "Only a trusted proxy may ask this.")
	secret := r.Header[ForwardSecretHeader]
	switch {
	case h.ForwardAuth.Off:
		return nil, refused.WithReason("forward_off")
	case !audit.OriginOf(r.Context()).Trusted || len(h.ForwardAuth.Proxies) > 0 && !h.ForwardAuth.lists(r.RemoteAddr):
		return nil, refused.WithReason("forward_untrusted")
	case h.ForwardAuth.Secret != "" && (len(secret) != 1 || !token.Equal(secret[0], h.ForwardAuth.Secret.Reveal())):
		return nil, refused.WithReason("forward_secret")
	case len(r.Header["X-Forwarded-Host"]) > 1:
		return nil, refused.WithReason("forward_headers")
	}
	delete(r.Header, ForwardSecretHeader)
	method, uri, ok := h.named(r)
	if !ok {
		return nil, refused.WithReason("forward_headers")
	}
	asked := r.WithContext(r.Context())
	asked.Method, asked.RequestURI = method, uri
	return asked, nil
}

func (f ForwardAuth) lists(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	a := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(f.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// originals are the pairs of headers that name a method and an address: Caddy's and Traefik's, that of nginx's examples, and that of
// nginx's ingress controller, which has the whole address.
var originals = [...][2]string{{"X-Forwarded-Method", "X-Forwarded-Uri"}, {"X-Original-Method", "X-Original-Uri"}, {"X-Original-Method", "X-Original-Url"}}

// named returns method and address of the request in question. Where the rest of the path names the request, headers must not; of the
// headers any pair does, whole and once, and where more come all must say the same: a client can send those that the proxy in front does
// not set (GHSA-5wcc-hf24-rf5h).
func (h *Handler) named(r *http.Request) (method, uri string, ok bool) {
	if rest, below := strings.CutPrefix(r.RequestURI, h.Prefix+"/auth"); below && strings.HasPrefix(rest, "/") {
		// A browser can ask in this way by a plain link, so it has to be said who may.
		if len(h.ForwardAuth.Proxies) == 0 && h.ForwardAuth.Secret == "" {
			return "", "", false
		}
		method, uri, ok = r.Method, rest, true
	}
	for _, pair := range originals {
		methods, uris := r.Header[pair[0]], r.Header[pair[1]]
		if len(uris) == 0 {
			continue
		}
		if len(methods) != 1 || len(uris) != 1 {
			return "", "", false
		}
		u := uris[0]
		if pair[1] == "X-Original-Url" {
			u = withoutOrigin(u, hostOf(r))
		}
		if ok && (methods[0] != method || u != uri) {
			return "", "", false
		}
		method, uri, ok = methods[0], u, true
	}
	for _, pair := range originals { // a method on its own would say what the proxy in front left open
		if m := r.Header[pair[0]]; len(m) > 0 && (len(m) != 1 || m[0] != method) {
			return "", "", false
		}
	}
	return method, uri, ok
}

// withoutOrigin returns the path and query of an address at a host, and any other address as it is, which is then refused as a foreign one.
func withoutOrigin(address, host string) string {
	for _, scheme := range [...]string{"https://", "http://"} {
		if rest, ok := strings.CutPrefix(address, scheme+host); ok && strings.HasPrefix(rest, "/") {
			return rest
		}
	}
	return address
}
