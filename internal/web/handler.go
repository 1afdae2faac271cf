package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/page"
	"crmgate/internal/session"
	"crmgate/internal/signin"
	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

const (
	// maxForm bounds the body of a form in bytes.
	maxForm = 64 << 10
	// maxIdentifier is the longest address that mail can carry (RFC 5321, section 4.5.3.1.3), in characters.
	maxIdentifier = 254
	// maxReturnTo bounds the return address in bytes; a longer one is dropped, because it would not fit into a Location.
	maxReturnTo = 4 << 10
)

// Sessions finds the caller's session; session.Manager is one.
type Sessions interface {
	// Lookup returns the live session of a request, nil where there is none; an error means that nobody can know.
	Lookup(r *http.Request) (*session.Session, error)
	// Pace decides whether a browser may be sent to a provider without a click, and counts it.
	Pace(w http.ResponseWriter, r *http.Request) session.Pace
}

// Handler serves the gateway's own pages.
type Handler struct {
	Flow Flow
	// Logouts takes the providers' logout messages; nil answers them with 404.
	Logouts Logouts
	// Universal takes requests to end all sessions of a person; nil answers them with 404.
	Universal UniversalLogouts
	Accounts  Accounts
	Sessions  Sessions
	Realms    *identity.Realms
	Pages     *page.Pages
	// Prefix is server.path_prefix.
	Prefix string
	// BaseURL is public_url plus path_prefix, for addresses that programs read.
	BaseURL string
	// Secure is true where the public address is https.
	Secure bool
	// Direct is the id of the redirect provider that is the only way in; the sign-in page then goes straight on to it.
	// Empty shows the page.
	Direct string
	// Local offers local passwords in the help.
	Local bool
	// MailedReset is true where a forgotten local password is reset by mail: local reset is on and mail is, too.
	MailedReset bool
	// LinkLifetime is how long a mailed reset link works; zero is not mentioned.
	LinkLifetime time.Duration
	// Explain finds what is known about an error code in a text that somebody typed; nil offers no such help.
	Explain func(text string) (identity.Advice, bool)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// StepUps ask whoever changes their own account for a fresh proof, also where there are no second factors; nil asks nobody.
	StepUps StepUps
	// Factors and OwnFactors are second factors; nil has none. Notices mails what changed; nil mails nothing.
	Factors    Factors
	OwnFactors OwnFactors
	Notices    Notices
	// Sealer seals the current password of somebody who must choose a new one, until they have; nil lets it be typed again.
	Sealer *token.Sealer
	// LockDuration is how long an account stays locked after wrong passwords; zero is not mentioned.
	LockDuration time.Duration
	// RequireUsername makes the reset form ask for the user name as well.
	RequireUsername bool
	// MailFrom is the address that mails come from, to be allowed through filters; empty is not mentioned.
	MailFrom string
	Limits   Limits
	// OwnAccount and OwnSessions are behind the person's own page; nil leaves its inner pages out.
	OwnAccount  OwnAccount
	OwnSessions OwnSessions
	// Find returns the accounts with an address, to tell people of a second one of their own; nil tells nobody.
	Find func(ctx context.Context, address string) ([]*account.Account, error)
	// Events are shown to whom they concern; nil shows none.
	Events audit.Reader
	// Audit takes what people do on their own page; nil forgets it.
	Audit audit.Recorder
	// Tokens are access tokens, TokenLifetime the longest that one may live; nil has none.
	Tokens        OwnTokens
	TokenLifetime time.Duration
	// ReportsTo is true where the support is told by mail when somebody locks their account.
	ReportsTo bool
	// Keys returns the JWK Set of the assertion keys; nil gives 404.
	Keys func(context.Context) ([]byte, error)
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

type handlerFunc = func(http.ResponseWriter, *http.Request) error

// Routes serves every address below Prefix, and /.well-known/change-password.
func (h *Handler) Routes() http.Handler {
	mux := http.NewServeMux()
	at := func(path string, get, post handlerFunc) { mux.Handle(h.Prefix+path, h.on(get, post)) }

	at("/{$}", h.index, nil)
	at("/sign-in", h.showSignIn, h.signIn)
	at("/sign-in/password", h.showPassword, h.password)
	at("/sign-in/change-password", h.showChange, h.change)
	at("/sign-in/{provider}", h.startProvider, nil)
	at("/callback/{provider}", h.callback, h.callback)
	at("/reset", h.showReset, h.reset)
	at("/reset/set", h.showSet(resetLink()), h.set(resetLink()))
	at("/reset/{token}", h.openLink(resetLink()), nil)
	at("/invite/set", h.showSet(inviteLink()), h.set(inviteLink()))
	at("/invite/{token}", h.openLink(inviteLink()), nil)
	at("/withdraw", h.showWithdraw, h.withdraw)
	at("/withdraw/{token}", h.openLink(withdrawLink()), nil)
	at("/password-check", nil, asProgram(h.checkPassword))
	at("/sign-out", h.showSignOut, h.signOut)
	at("/signed-out", h.signedOut, nil)
	if h.Logouts != nil {
		at("/logout/backchannel/{provider}", nil, asProgram(h.backChannel))
		at("/logout/frontchannel/{provider}", h.frontChannel, nil)
	}
	if h.Universal != nil {
		at("/logout/universal/{provider}", nil, asProgram(h.universalLogout))
	}
	at("/help", h.help, nil)
	h.accountRoutes(at)
	h.factorRoutes(at)
	at("/session", asProgram(h.session), nil)
	at("/jwks.json", asProgram(h.keys), nil)
	at("/client-jwks.json", asProgram(h.clientKeys), nil)
	mux.Handle("/.well-known/change-password", h.on(h.changePassword, nil))
	at("/assets/", func(w http.ResponseWriter, r *http.Request) error {
		h.Pages.Assets().ServeHTTP(w, r)
		return nil
	}, nil)
	mux.Handle(h.Prefix+"/", h.Pages.Handle(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.NotFound, "This page does not exist. Perhaps the address is mistyped or the page has moved.")
	}))
	return mux
}

// on serves an address with the methods it has. What it answers is never kept by a cache unless the handler says so.
func (h *Handler) on(get, post handlerFunc) http.Handler {
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

// asProgram makes failures of an address for programs JSON, unless a browser navigated to it.
func asProgram(next handlerFunc) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !page.Navigation(r) {
			r.Header.Set("Accept", "application/json")
		}
		return next(w, r)
	}
}

// index sends whoever opens the bare prefix to the one page that makes sense for everybody.
func (h *Handler) index(w http.ResponseWriter, r *http.Request) error {
	redirect(w, r, h.Prefix+"/account")
	return nil
}

// redirect answers with 303: whatever the method was, the browser goes on with GET.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	// Not http.Redirect: it would rewrite a relative address and write a body that names it.
	w.Header().Set("Location", ascii(to))
	w.WriteHeader(http.StatusSeeOther)
}

// ascii percent-encodes what is beyond ASCII in an address (RFC 3986, 2.5) and changes nothing else.
func ascii(address string) string {
	var b strings.Builder
	for i := range len(address) {
		if c := address[i]; c >= utf8.RuneSelf {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// allow counts a request against a limit.
func allow(l *throttle.Limiter, r *http.Request, next fault.Next) error {
	if l == nil || l.Allow(audit.OriginOf(r.Context()).Address) {
		return nil
	}
	return fault.New(fault.TooMany, "There were too many tries from your network in a short time. Wait a minute, then try again.").
		WithReason("rate_limit").WithNext(next)
}

// form reads the form in the body; what stands in the address does not count.
func form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	defer hurry(w)()
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, fault.Wrap(fault.Invalid, "The form did not arrive as it should. Please go back and send it again.", err).WithReason("bad_form")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, fault.New(fault.Invalid, "The form did not arrive as it should. Please go back and send it again.").
				WithReason("repeated_" + word(name))
		}
	}
	return r.PostForm, nil
}

// formPatience is how long the body of a form may take to arrive.
const formPatience = 20 * time.Second

// hurry gives the body of a form a deadline and returns what takes it away again. Bodies for the CRM may take as long as they like; a
// form of ours is small, and whoever sends it byte by byte only holds a connection.
func hurry(w http.ResponseWriter) (relax func()) {
	c := http.NewResponseController(w)
	// A writer that knows no deadlines is a test's.
	_ = c.SetReadDeadline(time.Now().Add(formPatience))
	return func() { _ = c.SetReadDeadline(time.Time{}) }
}

// word cuts what a stranger wrote down to something that may stand in a log line as a reason.
func word(s string) string {
	known := []string{"identifier", "password", "password_confirm", "username", "current_password", "proven", "remember", "return_to", "provider", "switch", "logout_token"}
	if slices.Contains(known, s) {
		return s
	}
	return "field"
}

// identifierOf returns what was typed, trimmed, and a sentence where it cannot be an address or a name.
func identifierOf(f url.Values) (identifier, problem string) {
	identifier = strings.TrimSpace(f.Get("identifier"))
	switch {
	case identifier == "":
		return "", "Type the e-mail address or user name you sign in with."
	case !utf8.ValidString(identifier), strings.ContainsFunc(identifier, unicode.IsControl):
		return "", "The address or user name has characters in it that cannot be. Please type it again."
	case utf8.RuneCountInString(identifier) > maxIdentifier:
		return "", "The address or user name is too long. Please type it again."
	}
	return identifier, ""
}

// returnTo passes on where somebody was going, "" for the start page and for what package signin would not follow anyway.
func returnTo(v url.Values) string {
	to := signin.ReturnTo(v.Get("return_to"))
	if to == "/" || len(to) > maxReturnTo {
		return ""
	}
	return to
}

// below returns an address below the prefix with the parameters that are not empty.
func (h *Handler) below(path string, pairs ...string) string {
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
func (h *Handler) infos() []identity.Info {
	var out []identity.Info
	for _, p := range h.Realms.All() {
		out = append(out, p.Info())
	}
	return out
}

// provider describes the provider of a session; ok is false for local sessions and for a provider that is configured no more.
func (h *Handler) provider(s *session.Session) (info identity.Info, ok bool) {
	p, ok := h.Realms.Get(s.Provider)
	if !ok {
		return info, false
	}
	return p.Info(), true
}
