package gateway

import (
	"net/http"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/policy"
)

// Forward answers the forward-auth request of a proxy in front (nginx auth_request, Caddy forward_auth, Traefik ForwardAuth): 200 with
// every identity header, 401 or 403. The request it is about is named by X-Forwarded-Method, -Uri and -Host, and those are believed only
// from a trusted proxy: whoever may name the path chooses the rule.
func (h *Handler) Forward(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	asked, err := forwarded(r)
	if err != nil {
		if s, lookup := h.Sessions.Lookup(r); lookup == nil && s == nil {
			h.signInRequired(w) // tells nothing, and is what a proxy in front can act on
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
	s, d, err := h.decide(r, at)
	if err != nil {
		return err
	}
	switch d.Outcome {
	case policy.Allowed:
		id, err := h.people.identity(s, at.route)
		if err != nil {
			return err
		}
		return at.route.upstream.Answer(w.Header(), asked, path, id)
	case policy.SignIn:
		h.signInRequired(w)
		return nil
	default:
		return h.refuse(r, s, d)
	}
}

// forwarded returns the request that a trusted proxy asks about.
func forwarded(r *http.Request) (*http.Request, error) {
	refused := fault.New(fault.Forbidden, "Only a trusted proxy may ask this.")
	if !audit.OriginOf(r.Context()).Trusted {
		return nil, refused.WithReason("forward_untrusted")
	}
	method, uri := r.Header["X-Forwarded-Method"], r.Header["X-Forwarded-Uri"]
	if len(method) != 1 || len(uri) != 1 || len(r.Header["X-Forwarded-Host"]) > 1 {
		return nil, refused.WithReason("forward_headers")
	}
	asked := r.WithContext(r.Context())
	asked.Method, asked.RequestURI = method[0], uri[0]
	return asked, nil
}
