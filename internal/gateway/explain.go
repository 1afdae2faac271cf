package gateway

import (
	"net/http"

	"crmgate/internal/policy"
	"crmgate/internal/proxy"
)

// Explanation is what a request would meet.
type Explanation struct {
	// Own is true for a page of the gateway itself. Otherwise Upstream is nil where no application has the path.
	Own      bool
	Upstream *proxy.Upstream
	Decision policy.Decision
	// Steps are the rules in their order, the default last; Checks are what the one that decided asks for.
	Steps  []policy.Step
	Checks []policy.Check
}

// Explain says what would become of a request, by the code that decides about real ones. An error is what the person would be told in place of
// a decision. Of the handler it needs Rules, Folded, Routes, PublicURL and Prefix alone.
func (h *Handler) Explain(r *http.Request, who policy.Subject) (Explanation, error) {
	path, at, err := h.locate(r)
	switch {
	case err != nil:
		return Explanation{}, err
	case at.own || at.route == nil:
		return Explanation{Own: at.own}, nil
	}
	index, d := h.strictest(at, who)
	e := Explanation{Upstream: at.route.upstream, Decision: d, Checks: h.Rules.Checks(index, who)}
	// Where a path is read in several ways the reading is shown that the decision is about.
	for _, reading := range append([]string{path.Decoded}, path.Others...) {
		rules, req := h.asked(at.route, r.Method, reading)
		if e.Steps = rules.Steps(req); rules.Match(req) == index {
			break
		}
	}
	return e, nil
}

// asked is the question to the rules about one reading of a request, and the rules that answer it.
func (h *Handler) asked(rt *route, method, path string) (*policy.Rules, policy.Request) {
	if rt.fold && h.Folded != nil {
		return h.Folded, policy.Request{Upstream: rt.id, Method: method, Path: policy.FoldPath(path)}
	}
	return h.Rules, policy.Request{Upstream: rt.id, Method: method, Path: path}
}
