package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/policy"
	"crmgate/internal/proxy"
	"crmgate/internal/session"
)

// Sessions finds the session of a request (session.Manager).
type Sessions interface {
	// Lookup returns the live session, or nil without an error where there is none. An error means that nobody can be recognised now.
	Lookup(r *http.Request) (*session.Session, error)
}

// Failer is the one exit for errors (package page).
type Failer interface {
	// Fail answers a request with what an error means to the person.
	Fail(w http.ResponseWriter, r *http.Request, err error)
}

// Handler is the public listener's handler, behind the middleware. Its fields must not change once it serves.
type Handler struct {
	Rules *policy.Rules
	// Folded are the same rules for upstreams that ignore case (policy.Config.Fold); nil takes Rules for all.
	Folded   *policy.Rules
	Routes   *Routes
	Sessions Sessions
	Fail     Failer
	// Bearers recognises access tokens of programs; nil leaves every Authorization header to the CRM.
	Bearers *Bearers
	// Audit takes refusals; nil forgets them.
	Audit audit.Recorder
	// PublicURL is the address people use.
	PublicURL *url.URL
	// Prefix is server.path_prefix, such as "/_gate".
	Prefix string
	// StrictTransport is the value of Strict-Transport-Security that goes with a redirect to sign-in; "" for none.
	StrictTransport string
	// Own serves what lies below Prefix, and ChangePassword; nil answers that there is nothing. The URL it sees is clean.
	Own http.Handler
	// ForwardAuth says who may ask Forward; the zero value is every trusted proxy.
	ForwardAuth ForwardAuth
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	people people
}

// ChangePassword is the one address outside the prefix that is ours (W3C, A Well-Known URL for Changing Passwords).
const ChangePassword = "/.well-known/change-password"

// ServeHTTP passes a request on, or says why not.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		h.Fail.Fail(w, r, err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	path, at, err := h.locate(r)
	switch {
	case err != nil:
		return err
	case at.own:
		return h.serveOwn(w, r, path)
	case at.route == nil:
		return fault.New(fault.NotFound, "There is no application at this address.").WithReason("no_upstream")
	}
	c, d, err := h.decide(r, at, path)
	if err != nil {
		return h.challenge(w, r, err)
	}
	switch d.Outcome {
	case policy.Allowed:
		id, err := h.people.identity(c.session, at.route)
		if err != nil {
			return err
		}
		if c.grant != nil {
			r = h.watched(r, c)
		}
		at.route.upstream.Serve(w, r, path, id)
		return nil
	case policy.SignIn:
		h.signIn(w, r, path)
		return nil
	case policy.StepUp:
		return h.stepUp(w, r, path, c, d)
	default:
		return h.refuse(w, r, path, c, d)
	}
}

// place is what a path leads to.
type place struct {
	own   bool
	route *route
	// rule is what policy.Rules.Match returned.
	rule int
	// also are the rules of further readings; the strictest of all holds.
	also []int
}

// same reports whether two readings of a request come to the same end.
func (p place) same(q place) bool {
	if p.own || q.own || p.route == nil || q.route == nil {
		return p.own == q.own && p.route == q.route
	}
	return p.route.upstream == q.route.upstream && p.rule == q.rule
}

// place finds where a request leads, and refuses one that leads elsewhere for a reader less careful than we are.
func (h *Handler) place(r *http.Request, path proxy.Path) (place, error) {
	host, err := h.host(r, path)
	if err != nil {
		return place{}, err
	}
	at := h.read(host, r.Method, path.Decoded)
	others := path.Others
	if at.route != nil && at.route.fold {
		if name := proxy.WindowsNames(path.Decoded); name != path.Decoded {
			others = append(slices.Clone(others), name)
		}
	}
	for _, other := range others {
		if !at.same(h.read(host, r.Method, other)) {
			return at, doubtful("path")
		}
	}
	if h.Rules.UsesMethods() {
		for _, method := range overrides(r.Header, path.Target) {
			// A framework that obeys the header may well be one that reads the path in another way.
			for i := -1; i < len(others); i++ {
				reading := path.Decoded
				if i >= 0 {
					reading = others[i]
				}
				if !at.same(h.read(host, method, reading)) {
					return at, doubtful("method_override")
				}
			}
		}
	}
	return at, nil
}

// hostOf is the authority that a request is for, as the client sees it.
func hostOf(r *http.Request) string {
	if host := audit.OriginOf(r.Context()).Host; host != "" {
		return host
	}
	return r.Host
}

func (h *Handler) read(host, method, path string) place {
	if below(path, h.Prefix) || path == ChangePassword {
		return place{own: true}
	}
	rt := h.Routes.match(host, path)
	if rt == nil {
		return place{}
	}
	rules, req := h.asked(rt, method, path)
	return place{route: rt, rule: rules.Match(req)}
}

func doubtful(reason string) error {
	return fault.New(fault.Invalid, "This request can be read in two ways that have different rules, so it was not passed on.").WithReason(reason)
}

// serveOwn hands a request to our own pages. They are behind a ServeMux, which redirects from paths that it finds unclean; the canonical
// path is clean.
func (h *Handler) serveOwn(w http.ResponseWriter, r *http.Request, path proxy.Path) error {
	if h.Own == nil {
		return fault.New(fault.NotFound, "There is nothing at this address.")
	}
	if r.URL.Path != path.Decoded || r.URL.RawPath != "" {
		clean := *r.URL
		clean.Path, clean.RawPath = path.Decoded, ""
		r = r.WithContext(r.Context())
		r.URL = &clean
	}
	h.Own.ServeHTTP(w, r)
	return nil
}
