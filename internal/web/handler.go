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

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/page"
	"crmgate/internal/signin"
	"crmgate/internal/throttle"
)

const (
	// maxForm bounds the body of a form in bytes.
	maxForm = 64 << 10
	// maxIdentifier is the longest address that mail can carry (RFC 5321, section 4.5.3.1.3), in characters.
	maxIdentifier = 254
	// maxReturnTo bounds the return address in bytes; a longer one is dropped, because it would not fit into a Location.
	maxReturnTo = 4 << 10
)

// Handler serves the gateway's own pages.
type Handler struct {
	*Site
	SignIn  SignInPages
	SignOut SignOutPages
	Reset   ResetPages
	Account AccountPages
	Factor  FactorPages
	Help    HelpPages
	// Keys returns the JWK Set of the assertion keys; nil gives 404.
	Keys func(context.Context) ([]byte, error)
}

type handlerFunc = func(http.ResponseWriter, *http.Request) error

// route registers an address below the prefix; a nil method is not allowed there.
type route = func(path string, get, post handlerFunc)

// Routes serves every address below Prefix, and /.well-known/change-password.
func (h *Handler) Routes() http.Handler {
	mux := http.NewServeMux()
	at := func(path string, get, post handlerFunc) { mux.Handle(h.Prefix+path, h.on(get, post)) }

	at("", h.index, nil)
	at("/{$}", h.index, nil)
	h.SignIn.routes(at)
	h.SignOut.routes(at)
	h.Reset.routes(at)
	h.Account.routes(at)
	h.Factor.routes(at)
	h.Help.routes(at)
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
