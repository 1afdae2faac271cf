package gateway

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/policy"
	"crmgate/internal/proxy"
	"crmgate/internal/session"
)

// caller is who makes a request.
type caller struct {
	// session is nil for nobody.
	session *session.Session
	// grant is the token that was brought in place of a session; nil for a browser.
	grant      *grant
	credential string
}

// reasonScope is why a token was refused for what its owner may do.
const reasonScope = "The access token is not made for this path or method."

// decide asks the rules about whoever makes the request. Where neither session store nor tokens can be asked only a rule for anyone lets
// pass. A token that was recognised is consumed: the CRM has no business with it.
func (h *Handler) decide(r *http.Request, at place, path proxy.Path) (caller, policy.Decision, error) {
	c, err := h.caller(r)
	if err != nil && !fault.Is(err, fault.Unavailable) {
		return caller{}, policy.Decision{}, err
	}
	_, d := h.strictest(at, h.subject(r, c))
	if err != nil && d.Outcome != policy.Allowed {
		return caller{}, d, err
	}
	if c.grant == nil || d.Outcome != policy.Allowed && d.Outcome != policy.StepUp || c.grant.covers(readings(r, path)) {
		return c, d, nil
	}
	// What is open to anyone is open to whoever brings a token for something else, but not in the owner's name.
	if _, open := h.strictest(at, h.subject(r, caller{})); open.Outcome == policy.Allowed {
		return caller{}, open, nil
	}
	return c, policy.Decision{Outcome: policy.Refuse, Rule: d.Rule, Reason: reasonScope}, nil
}

// caller finds the token or the session of a request. An error of kind Unavailable means that nobody can be recognised now.
func (h *Handler) caller(r *http.Request) (caller, error) {
	g, err := h.Bearers.find(r)
	if g != nil || err != nil {
		lines := r.Header["Authorization"]
		delete(r.Header, "Authorization")
		if err != nil {
			return caller{}, err
		}
		return caller{g.session, g, credentialOf(lines[0])}, nil
	}
	s, err := h.Sessions.Lookup(r)
	if err != nil {
		return caller{}, fault.Wrap(fault.Unavailable, "Sign-ins cannot be checked at the moment, so nobody is let in. Try again in a minute.", err).WithReason("session_store")
	}
	return caller{session: s}, nil
}

func (h *Handler) subject(r *http.Request, c caller) policy.Subject {
	s := c.session.Who()
	if c.grant != nil {
		s.FactorAt = time.Time{} // a program has nobody who could prove one
	}
	s.Address, s.At = audit.OriginOf(r.Context()).Address, h.now()
	return s
}

func (h *Handler) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

// readings are the methods and paths that a request can be taken for.
func readings(r *http.Request, path proxy.Path) (methods, paths []string) {
	return append(overrides(r.Header, path.Target), r.Method), append(slices.Clone(path.Others), path.Decoded)
}

// challenge returns what a program is told about its token, with the header that says so (RFC 6750 section 3).
func (h *Handler) challenge(w http.ResponseWriter, _ *http.Request, err error) error {
	if fault.Is(err, fault.Unauthenticated) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.Header().Set("Cache-Control", "no-store")
	}
	return err
}

// stepUp sends somebody to prove a second factor. A program cannot, so for a token it is a refusal.
func (h *Handler) stepUp(w http.ResponseWriter, r *http.Request, path proxy.Path, c caller, d policy.Decision) error {
	if c.grant != nil {
		return h.refuse(w, r, path, c, d)
	}
	h.ask(w, r, path, stepUpPage())
	return nil
}

// refuse records a refusal and returns what the person is told. The reference on the page leads an administrator to the event, and that
// to the rule and to what was missing.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, path proxy.Path, c caller, d policy.Decision) error {
	who := h.subject(r, c)
	var checks []policy.Check
	if _, at, err := h.locate(r); err == nil { // it was found a moment ago
		rule, _ := h.strictest(at, who)
		checks = h.Rules.Checks(rule, who)
	}
	e := audit.Event{Kind: audit.AccessRefused, Reason: "rule:" + d.Rule, Rule: d.Rule, Request: r.Method + " " + shortened(path.Decoded), Detail: detail(c, d, checks)}
	if c.session != nil {
		e.AccountID, e.Provider = c.session.AccountID, c.session.Provider
	}
	if h.Audit != nil {
		h.Audit.Record(r.Context(), e.From(r.Context()))
	}
	if d.Reason == reasonScope {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		return fault.New(fault.Forbidden, reasonScope).WithReason("token_scope")
	}
	if d.Outcome == policy.StepUp {
		return fault.New(fault.Forbidden, "This needs a second factor, which an access token cannot prove. Open it in a browser.").WithReason("factor_required")
	}
	return fault.New(fault.Forbidden, sentence(c, d, checks)).WithReason("access_refused")
}

// sentence says why, without naming whom the rule would let pass: that is the administrator's to tell.
func sentence(c caller, d policy.Decision, checks []policy.Check) string {
	who := "You"
	if c.session != nil && c.session.Email != "" {
		who = "You are signed in as " + c.session.Email + ", but you"
	}
	s := who + " may not open this page"
	switch missing := aspects(checks); {
	case slices.Equal(missing, []policy.Aspect{policy.FromNetwork}):
		s += " from where you are: it opens from certain networks only"
	case slices.Equal(missing, []policy.Aspect{policy.AtHours}):
		s += " at this time: it opens at certain hours only"
	}
	return s + ". The rule that decided is called \"" + d.Rule + "\"."
}

// aspects are what a refusal is about.
func aspects(checks []policy.Check) []policy.Aspect {
	var out []policy.Aspect
	for _, c := range checks {
		if !c.Holds && c.Aspect != policy.WithFactor {
			out = append(out, c.Aspect)
		}
	}
	return out
}

// detail says which conditions failed, and what the person had in their place.
func detail(c caller, d policy.Decision, checks []policy.Check) string {
	var parts []string
	if d.Reason == reasonScope {
		parts = append(parts, "outside the scope of the token")
	}
	var missing []string
	groups := false
	for _, check := range checks {
		if !check.Holds {
			missing = append(missing, check.Wants)
			groups = groups || check.Aspect == policy.ByGroup
		}
	}
	if len(missing) > 0 && d.Reason != reasonScope {
		parts = append(parts, "missing: "+strings.Join(missing, "; "))
	}
	if groups && c.session != nil {
		parts = append(parts, "groups: "+strings.Join(append([]string{}, c.session.Groups...), ", "))
	}
	if c.session != nil && c.session.EmailDoubtful {
		parts = append(parts, "the address is not verified and does not count")
	}
	if c.grant != nil {
		parts = append(parts, "by "+c.grant.name())
	}
	return strings.Join(parts, " | ")
}

// maxShown is the longest segment of a path that the audit trail keeps: a longer one may be the secret of a link that the CRM mailed.
const maxShown = 40

func shortened(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if utf8.RuneCountInString(s) > maxShown {
			segments[i] = "…"
		}
	}
	return strings.Join(segments, "/")
}

// watched returns the request of a program, which is to end when its token does.
func (h *Handler) watched(r *http.Request, c caller) *http.Request {
	address := audit.OriginOf(r.Context()).Address
	return r.WithContext(proxy.WithAlive(r.Context(), func(ctx context.Context) (bool, error) {
		return c.grant.alive(ctx, h.Bearers, c.credential, address)
	}))
}
