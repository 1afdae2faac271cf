package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/identity"
	"crmgate/internal/page"
	"crmgate/internal/session"
	"crmgate/internal/signin"
	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

// Sessions finds the caller's session; session.Manager is one.
type Sessions interface {
	// Lookup returns the live session of a request, nil where there is none; an error means that nobody can know.
	Lookup(r *http.Request) (*session.Session, error)
	// Pace decides whether a browser may be sent to a provider without a click, and counts it.
	Pace(w http.ResponseWriter, r *http.Request) session.Pace
}

// Site is what all pages share: where they stand, whom they ask who is there, and how they are shown. It must not change after
// Handler.Routes.
type Site struct {
	Pages    *page.Pages
	Sessions Sessions
	Realms   *identity.Realms
	// Prefix is server.path_prefix.
	Prefix string
	// BaseURL is public_url plus path_prefix, for addresses that programs read.
	BaseURL string
	// Secure is true where the public address is https.
	Secure bool
	// Direct is the id of the redirect provider that is the only way in; the sign-in page then goes straight on to it.
	// Empty shows the page.
	Direct string
	// Local is true where people may have passwords of ours.
	Local bool
	// MailedReset is true where a forgotten local password is reset by mail: local reset is on and mail is, too.
	MailedReset bool
	// Sealer seals what somebody typed while they are led elsewhere; nil lets it be typed again.
	Sealer *token.Sealer
	Limits Limits
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Limits are the requests per minute of one client address. A nil limiter does not limit.
type Limits struct {
	// Starts counts begun sign-ins.
	Starts *throttle.Limiter
	// Callbacks counts failed callbacks.
	Callbacks *throttle.Limiter
	// Passwords counts sent passwords.
	Passwords *throttle.Limiter
	// Resets counts requests for a reset.
	Resets *throttle.Limiter
	// Checks counts passwords that are looked at while they are typed.
	Checks *throttle.Limiter
	// Links counts one-time links opened and used.
	Links *throttle.Limiter
	// Logouts counts bad logout tokens, and front-channel requests.
	Logouts *throttle.Limiter
}

// on serves an address with the methods it has. What it answers is never kept by a cache unless the handler says so.
func (h *Site) on(get, post handlerFunc) http.Handler {
	var allow []string
	if get != nil {
		allow = append(allow, http.MethodGet, http.MethodHead)
	}
	if post != nil {
		allow = append(allow, http.MethodPost)
	}
	return h.Pages.Handle(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case !slices.Contains(allow, r.Method):
			h.Pages.MethodNotAllowed(w, r, allow...)
			return nil
		case r.Method == http.MethodPost:
			return post(w, r)
		}
		return get(w, r)
	})
}

// backTo leads whoever opens the address of a form, perhaps from the history, to its page.
func (h *Site) backTo(path string) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		redirect(w, r, h.below(path))
		return nil
	}
}

// signedIn returns the caller's session, or answers by leading to sign-in.
func (h *Site) signedIn(w http.ResponseWriter, r *http.Request, back string) (*session.Session, error) {
	s, err := h.Sessions.Lookup(r)
	if err != nil {
		return nil, fmt.Errorf("look up session: %w", err)
	}
	if s == nil && !page.Navigation(r) {
		return nil, h.signInRequired(w)
	}
	if s == nil {
		unsent := ""
		if r.Method == http.MethodPost {
			unsent = "1"
		}
		redirect(w, r, h.below("/sign-in", "return_to", h.Prefix+back, "unsent", unsent))
	}
	return s, nil
}

// below returns an address below the prefix with the parameters that are not empty.
func (h *Site) below(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return h.Prefix + path
	}
	return h.Prefix + path + "?" + q.Encode()
}

// infos describes all providers in their order.
func (h *Site) infos() []identity.Info {
	var out []identity.Info
	for _, p := range h.Realms.All() {
		out = append(out, p.Info())
	}
	return out
}

// provider describes the provider of a session; ok is false for local sessions and for a provider that is configured no more.
func (h *Site) provider(s *session.Session) (info identity.Info, ok bool) {
	p, ok := h.Realms.Get(s.Provider)
	if !ok {
		return info, false
	}
	return p.Info(), true
}

// providerName is what people know a provider by; empty for a password of ours.
func (h *Site) providerName(id string) string {
	if id == account.OwnerLocal {
		return ""
	}
	if p, ok := h.Realms.Get(id); ok {
		return p.Info().Name
	}
	return id
}

// startURL is the address that starts a provider.
func (h *Site) startURL(id string, req signin.Request) string {
	pick := ""
	if req.SelectAccount {
		pick = "1"
	}
	return h.below("/sign-in/"+url.PathEscape(id), "return_to", req.ReturnTo, "switch", pick)
}

func (h *Site) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}
