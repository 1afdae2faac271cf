package mfa

import (
	"context"
	"net/url"

	"crmgate/internal/fault"
)

// Kind names a factor, in the configuration, in addresses and in the store.
type Kind string

// The kinds.
const (
	Passkey  Kind = "passkey"
	TOTP     Kind = "totp"
	Email    Kind = "email"
	SMS      Kind = "sms"
	Recovery Kind = "recovery"
)

// Person is whose factor it is.
type Person struct {
	// ID is the account id.
	ID                    string
	Name, Email, Username string
}

// label is what an app or a browser shows beside the product's name.
func (p Person) label() string {
	for _, s := range []string{p.Email, p.Username, p.Name} {
		if s != "" {
			return s
		}
	}
	return p.ID
}

// Info describes a factor.
type Info struct {
	Kind Kind
	// Name stands in lists, such as "Authenticator app".
	Name string
	// Way is what a person does with it, such as "Enter a code from your app".
	Way string
	// About says in one sentence what it is and needs, for those who choose one.
	About string
	// Sends is true where beginning a check sends something: then it begins by a button and not too often.
	Sends bool
	// Guessable is true for what a stranger could guess: wrong answers are counted against the account.
	Guessable bool
	// Tries is how many wrong answers one challenge bears; 0 is as many as the account's lock allows.
	Tries int
	// Weak is true for what only counts where an account has nothing better.
	Weak bool
	// Backup is true for what stands in for a factor that is lost: by itself it does not make an account one with a factor.
	Backup bool
	// Single is true where an account has one at most.
	Single bool
	// Alone is true for what can be the only step of a sign-in.
	Alone bool
}

// Kept is what the store keeps of one enrolled factor, opened.
type Kept struct {
	// ID names the enrolment.
	ID string
	// Secret is the factor's own.
	Secret []byte
}

// Fresh is a factor that has just been enrolled.
type Fresh struct {
	// Name is what the person or the factor calls it.
	Name string
	// Lookup is what finds the enrolment without its account; empty for none.
	Lookup string
	Secret []byte
	// AMR are the methods that the enrolment proved (RFC 8176).
	AMR []string
}

// Proof is a factor proven.
type Proof struct {
	Kind Kind
	// EnrolmentID names the factor that was used.
	EnrolmentID string
	// AMR are the methods (RFC 8176).
	AMR []string

	// use changes what is kept, in one step with all others who use it; an error refuses the proof. Nil changes nothing.
	use func(secret []byte) ([]byte, error)
}

// Factor is a second proof of who somebody is. Implementations are pure but for what they send: what must be remembered between two
// requests they return, and the caller keeps it on the server. They are safe for concurrent use.
type Factor interface {
	// Info describes the factor; it asks nobody.
	Info() Info
	// Enrol begins an enrolment with what the person chose. What it returns is handed to View and Confirm. A form that makes no sense is
	// fault.Invalid with a sentence.
	Enrol(ctx context.Context, who Person, have []Kept, form url.Values) ([]byte, error)
	// Confirm ends an enrolment: the answer proves that the person holds the factor. A wrong answer is ErrWrong.
	Confirm(ctx context.Context, who Person, state []byte, form url.Values) (Fresh, error)
	// Begin begins a check against what is enrolled.
	Begin(ctx context.Context, who Person, have []Kept) ([]byte, error)
	// Check verifies an answer. A wrong one is ErrWrong.
	Check(ctx context.Context, who Person, have []Kept, state []byte, form url.Values) (Proof, error)
	// View returns what the page of an enrolment or of a check shows; state is nil where a check has not begun.
	View(who Person, have []Kept, state []byte) (any, error)
}

// ErrWrong is the answer to a wrong code or key, whatever is wrong with it.
var ErrWrong = fault.New(fault.Unauthenticated, "That was not right.").WithReason("wrong_factor")

// errStale is the answer to a code that nobody waits for any more.
var errStale = fault.New(fault.Expired, "This code is too old. Ask for a new one.").WithReason("factor_stale")
