package identity

import (
	"context"
	"net/url"
	"time"
)

// Identity is what a provider asserted about a person at one sign-in.
type Identity struct {
	// Provider is the provider's id in the configuration.
	Provider string
	// Issuer and Subject are the provider's own names for itself and the person; both are never empty.
	Issuer, Subject string

	Email string
	// EmailVerified is true only where the provider said so with a JSON true (or is a directory that owns the address).
	EmailVerified bool
	// EmailDoubtful is true where the provider said anything else than true about it. Many providers say nothing.
	EmailDoubtful bool
	Name          string
	Username      string
	// Groups are the provider's groups after the configured filter and map.
	Groups []string

	// AMR are the authentication methods the provider used (RFC 8176).
	AMR      []string
	AuthTime time.Time

	// SessionID is the provider's own session ("sid"), for logout.
	SessionID string
	// IDToken is the raw ID token, kept for id_token_hint; never sent to the CRM.
	IDToken string
	// RefreshToken is what Revalidate needs later; a secret, sealed before it is stored. Empty where the provider gave none.
	RefreshToken string

	// PasswordExpires is when the provider says that the password ends, zero where it does not say. PasswordChangeURL is where it is
	// changed before that; it has passed the provider's list of hosts.
	PasswordExpires   time.Time
	PasswordChangeURL string
}

// Info is what the gateway tells people about a provider.
type Info struct {
	ID   string
	Kind string
	Name string
	// Domains are mail domains in lower case; "*" stands for every domain that nobody else has.
	Domains []string
	// Emails are single addresses in lower case.
	Emails []string
	// Redirects is true where the person signs in at the provider's own page.
	Redirects bool
	// FormPost is true where the provider's answer comes as a form from its own page.
	FormPost bool
	Password PasswordHelp
	// Factor says whether our second factor is asked on top of the provider's own proof.
	Factor FactorRule
	// Revalidate is how often a live session is checked against the provider (Revalidator); 0 is never. Grace is how long a provider that
	// does not answer is waited for before the session ends.
	Revalidate, Grace time.Duration
	// Trust holds the decisions about accounts that belong to this provider.
	Trust Trust
}

// FactorRule is a provider's `factor`.
type FactorRule string

// The rules. The zero value is FactorTrust.
const (
	// FactorTrust leaves the second factor to the provider.
	FactorTrust FactorRule = "trust"
	// FactorAlways asks for ours at every sign-in.
	FactorAlways FactorRule = "always"
	// FactorUnlessAMR asks for ours unless the provider's amr names a second factor (RFC 8176).
	FactorUnlessAMR FactorRule = "unless_amr"
)

// PasswordHelp says where this provider's password is reset and changed.
type PasswordHelp struct {
	// ResetURL and ChangeURL may be empty: then only Help and the support contacts are shown.
	ResetURL  string
	ChangeURL string
	// Help is a sentence of the administrator's, shown beside the links.
	Help string
	// ChangeHere is true where a known password is changed on a page of ours (PasswordChanger).
	ChangeHere bool
}

// Trust says what an identity of this provider may do to accounts.
type Trust struct {
	// AllowSignUp lets a first sign-in create the account.
	AllowSignUp bool
	// LinkByEmail lets a verified address claim an existing account once.
	LinkByEmail bool
	// OwnsDomains are the domains whose addresses this provider may assert for linking; empty is every domain that no other provider has.
	OwnsDomains []string
}

// Provider is a source of corporate identity. Implementations are safe for concurrent use.
type Provider interface {
	// Info describes the provider; it never asks the network.
	Info() Info
}

// AuthRequest is what a Redirector needs to send a person away.
type AuthRequest struct {
	// State, Nonce and Verifier are fresh secrets of this attempt. Verifier is the PKCE code verifier (RFC 7636).
	State, Nonce, Verifier string
	// LoginHint is the address that was typed; may be empty.
	LoginHint string
	// SelectAccount asks the provider to let the person choose another account.
	SelectAccount bool
	// ForceLogin asks the provider to authenticate afresh.
	ForceLogin bool
}

// Callback is what came back.
type Callback struct {
	// Params are the parameters of the response, each exactly as received; the caller has matched State already.
	Params url.Values
	// Nonce and Verifier are those of the attempt.
	Nonce, Verifier string
}

// Redirector is a provider with its own sign-in page (OpenID Connect).
type Redirector interface {
	Provider
	// AuthURL returns where to send the browser. A provider that cannot be reached is fault.Unavailable.
	AuthURL(ctx context.Context, req AuthRequest) (string, error)
	// Exchange turns the response into an identity. A refusal by the provider or a bad token is fault.Unauthenticated or
	// fault.Forbidden with a sentence; an unreachable provider is fault.Unavailable.
	Exchange(ctx context.Context, cb Callback) (Identity, error)
}

// PasswordChecker is a provider that takes name and password from our page (LDAP, Active Directory).
type PasswordChecker interface {
	Provider
	// CheckPassword asks the directory once. Wrong name or password, in any mixture, is ErrWrongPassword; a state that only
	// the right password reveals is a fault with a sentence; an unreachable directory is fault.Unavailable.
	CheckPassword(ctx context.Context, login, password string) (Identity, error)
}

// PasswordChanger is a PasswordChecker whose passwords can be changed here.
type PasswordChanger interface {
	PasswordChecker
	// ChangePassword sets a new password with the one that is known, under the directory's own rules. A wrong name or current password is
	// ErrWrongPassword, a new one that the directory refuses is fault.Invalid with a sentence that says why, and a directory whose
	// entry does not allow it (password_change) is fault.Forbidden.
	ChangePassword(ctx context.Context, login, current, fresh string) error
}

// MustChange marks a refusal of CheckPassword by a directory where the password was right and must be changed first. It is found with
// errors.As beside the fault that carries the sentence.
type MustChange struct {
	// Here is true where ChangePassword does it; otherwise the provider's links help.
	Here bool
	// Expired tells a password that ran out from one that an administrator set.
	Expired bool
	Err     error
}

// Error returns the text of the refusal.
func (e *MustChange) Error() string { return e.Err.Error() }

// Unwrap returns the refusal.
func (e *MustChange) Unwrap() error { return e.Err }

// Grant is what is kept of a sign-in for asking the provider again.
type Grant struct {
	Issuer, Subject string
	// RefreshToken is a secret; empty for a directory, and where the provider gave none.
	RefreshToken string
}

// Revalidator is a provider that can say later whether a person may still be signed in.
type Revalidator interface {
	Provider
	// Revalidate asks again. What comes back replaces profile and groups, and its RefreshToken, where not empty, the one that was used.
	// Fields that the provider left out are empty. fault.Unauthenticated and fault.Forbidden mean that the session ends;
	// fault.Unavailable that nobody knows; an identity beside that error holds nothing but a RefreshToken, which has already taken the place of
	// the one that was used. A Grant that nothing can be asked with is ErrNothingToAsk.
	Revalidate(ctx context.Context, g Grant) (Identity, error)
}

// Logout is what a provider's logout token or address names (OpenID Connect Back-Channel Logout 1.0 section 2.4).
type Logout struct {
	// Issuer is empty where the provider speaks for several and did not say which one it is.
	Issuer string
	// Subject and Session ("sid"): at least one is set. Where Session is set, that session alone ends.
	Subject, Session string
	// TokenID ("jti") may be used once until Expires; empty for the front channel.
	TokenID string
	Expires time.Time
}

// LogoutReceiver is a provider that tells us when somebody has signed out there.
type LogoutReceiver interface {
	Provider
	// BackChannel verifies a logout token, except that its TokenID is new: the caller remembers those. A token that is not good is
	// fault.Invalid, a provider whose keys cannot be had is fault.Unavailable.
	BackChannel(ctx context.Context, logoutToken string) (Logout, error)
	// FrontChannel reads the parameters of a front-channel request (Front-Channel Logout 1.0 section 2); what is missing or does not
	// match is fault.Invalid.
	FrontChannel(params url.Values) (Logout, error)
}

// SignOut is what a SignOuter needs to send a person on.
type SignOut struct {
	// IDToken is the ID token of the session that has ended; empty where there is none or it is too long for an address.
	IDToken string
	// State comes back to ReturnTo as it is.
	State string
	// ReturnTo is where the provider sends the browser in the end.
	ReturnTo string
}

// KeyPublisher is a provider to which the gateway proves itself with a key of its own.
type KeyPublisher interface {
	Provider
	// PublicKeys returns the public keys that the provider may fetch, each as a JSON Web Key (RFC 7517).
	PublicKeys() ([][]byte, error)
}

// SignOuter is a provider that can end its own session.
type SignOuter interface {
	Provider
	// SignOutURL returns where to send the browser, or "" where this provider has no such address or the configuration
	// keeps sign-out local.
	SignOutURL(ctx context.Context, out SignOut) (string, error)
}

// Pinger is a provider that `crmgate check --online` can try.
type Pinger interface {
	Provider
	// Ping reaches the provider without signing anybody in.
	Ping(ctx context.Context) error
}

// Clocked is a provider whose time decides whether its tokens are valid here.
type Clocked interface {
	Provider
	// Clock returns the provider's time; zero where it does not tell.
	Clock(ctx context.Context) (time.Time, error)
}
