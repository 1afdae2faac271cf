package fault

import (
	"errors"
	"fmt"
)

// Kind groups errors by what the person should do about them.
type Kind int

// The kinds, each with the HTTP status that page.Fail gives it.
const (
	Internal        Kind = iota // 500: our fault; nothing the person can do
	Invalid                     // 400: the request makes no sense as sent
	Unauthenticated             // 401: nobody is signed in, or the credentials were wrong
	Forbidden                   // 403: signed in, and not allowed
	NotFound                    // 404
	Conflict                    // 409: it exists already, or has changed meanwhile
	Expired                     // 410: a link or an attempt is used up or too old
	TooMany                     // 429: slow down
	Upstream                    // 502: the CRM does not answer
	Unavailable                 // 503: a provider, the store or the mail server is down
	Timeout                     // 504: the CRM takes too long to answer
)

var kindNames = [...]string{"internal", "invalid", "unauthenticated", "forbidden", "not found", "conflict", "expired", "too many", "upstream", "unavailable", "timeout"}

// String returns the kind's name as it stands in the log.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// Next is the one thing an error page offers to do.
type Next struct {
	// Label is the text of the button.
	Label string
	// Path is an address below the gateway's prefix, such as "/sign-in"; never a foreign address.
	Path string
	// Away is a complete address elsewhere instead of Path, such as where a provider resets passwords. It comes from the configuration
	// or a preset, never from what somebody sent.
	Away string
}

// Detail is one line of what an error page shows for whoever looks after the sign-in.
type Detail struct{ Name, Value string }

// The next steps that more than one place offers.
var (
	NextSignIn = Next{Label: "Sign in again", Path: "/sign-in"}
	NextReset  = Next{Label: "Ask for a new link", Path: "/reset"}
	NextHelp   = Next{Label: "Get help signing in", Path: "/help"}
)

// Error is an error whose Sentence may be shown to anybody.
type Error struct {
	Kind     Kind
	Sentence string
	// Title heads the page; empty takes the kind's own.
	Title string
	// Details stand in a box that can be copied, such as a provider's code and its id for the case. Their values have passed a pattern:
	// nothing that somebody else wrote stands there as it came.
	Details []Detail
	// Next is the step that the page offers; zero offers the CRM's start page.
	Next Next
	// Other is a second step, below Next; zero offers none. It stays on the gateway.
	Other Next
	// Reason is a short fixed word for the log and the audit trail, such as "state_mismatch". May be empty.
	Reason string

	cause error
}

// New returns an error of a kind with a sentence for the user.
func New(kind Kind, sentence string) *Error { return &Error{Kind: kind, Sentence: sentence} }

// Wrap is New with the cause, which goes to the log and never to the page.
func Wrap(kind Kind, sentence string, cause error) *Error {
	return &Error{Kind: kind, Sentence: sentence, cause: cause}
}

// WithNext returns a copy of e that offers a next step.
func (e *Error) WithNext(n Next) *Error { c := *e; c.Next = n; return &c }

// WithOther returns a copy of e that offers a second step.
func (e *Error) WithOther(n Next) *Error { c := *e; c.Other = n; return &c }

// WithTitle returns a copy of e with a heading of its own.
func (e *Error) WithTitle(title string) *Error { c := *e; c.Title = title; return &c }

// WithDetails returns a copy of e with lines for whoever looks after the sign-in.
func (e *Error) WithDetails(d ...Detail) *Error { c := *e; c.Details = d; return &c }

// WithReason returns a copy of e that carries a word for the log.
func (e *Error) WithReason(reason string) *Error { c := *e; c.Reason = reason; return &c }

// Error is the text for the log: kind, sentence, reason and cause.
func (e *Error) Error() string {
	s := e.Kind.String() + ": " + e.Sentence
	if e.Reason != "" {
		s += " (" + e.Reason + ")"
	}
	if e.cause != nil {
		s = fmt.Sprintf("%s: %v", s, e.cause)
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// KindOf returns the kind of the first *Error in err's chain, Internal where there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is of the kind.
func Is(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}
