package signin

import (
	"net/http"
	"net/url"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/identity"
	"crmgate/internal/session"
)

// Flow runs sign-ins.
type Flow struct {
	Realms   *identity.Realms
	Accounts *account.Service
	Attempts Store
	Sessions *session.Manager
	Audit    audit.Recorder
	// LocalEnabled offers the local password to people whose address no provider has.
	LocalEnabled bool
	// BaseURL is public_url plus path_prefix.
	BaseURL string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// StepKind says what the browser should see next.
type StepKind int

// The steps.
const (
	// StepRedirect sends the browser to URL, the provider's own page.
	StepRedirect StepKind = iota
	// StepPassword shows the password page.
	StepPassword
	// StepUnknown shows the sign-in page again: no way in takes this identifier.
	StepUnknown
	// StepDone sends the browser to URL, where it was going; the session has started.
	StepDone
)

// Step is what Next decided.
type Step struct {
	Kind StepKind
	// URL belongs to StepRedirect and StepDone.
	URL string
	// Provider is whose password StepPassword asks for; nil where it is a local one or must not be told.
	Provider *identity.Info
}

// Request is what a sign-in page sent.
type Request struct {
	// Identifier is the address or name as typed.
	Identifier string
	// Provider names a provider directly; empty finds it by Identifier.
	Provider string
	// ReturnTo is where the person was going, as received.
	ReturnTo string
	// Password belongs to Flow.Password alone.
	Password string
	// Remember keeps the session when the browser closes.
	Remember bool
	// SelectAccount asks a provider to offer other accounts.
	SelectAccount bool
}

// Begin decides where somebody signs in and saves an attempt where a redirect provider is next. An unknown provider is
// fault.NotFound, one that is down fault.Unavailable.
func (f *Flow) Begin(w http.ResponseWriter, r *http.Request, req Request) (Step, error) {
	return Step{}, nil
}

// Password checks a password against the directory or the local account that the identifier belongs to. A wrong name or password is
// identity.ErrWrongPassword; a state that only the right password reveals is a fault with a sentence.
func (f *Flow) Password(w http.ResponseWriter, r *http.Request, req Request) (Step, error) {
	return Step{}, nil
}

// Callback finishes an attempt with what a redirect provider sent back. Every failure is a fault with a sentence; none
// starts another attempt.
func (f *Flow) Callback(w http.ResponseWriter, r *http.Request, providerID string, params url.Values) (Step, error) {
	return Step{}, nil
}

// SignOut ends the session and returns where the browser goes next: the provider's sign-out page or our own.
func (f *Flow) SignOut(w http.ResponseWriter, r *http.Request) (string, error) {
	return "", nil
}

// ReturnTo returns raw where it is a path and query on our own origin outside the gateway's own sign-in pages, and "/" otherwise.
func ReturnTo(raw string) string { return "/" }
