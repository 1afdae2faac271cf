package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

// AttemptLifetime is how long a sign-in may take.
const AttemptLifetime = 10 * time.Minute

// MaxAttempts is how many sign-ins one browser may have under way; the oldest gives way.
const MaxAttempts = 16

// ReasonBrowserUnknown is the reason of a refused callback that came without the cookie of the browser that began. Nothing has been used up
// then, so the caller may try again with it.
const ReasonBrowserUnknown = "browser_unknown"

// Flow runs sign-ins.
type Flow struct {
	Realms   *identity.Realms
	Accounts *account.Service
	Attempts session.AttemptStore
	Sessions *session.Manager
	Audit    audit.Recorder
	// ChangeLocal changes a local password with the one that is known, if may lets it; account.Service.ChangePassword is one. Nil leaves that to
	// the reset.
	ChangeLocal func(ctx context.Context, identifier, current, fresh string, may func(context.Context, *account.Account) error) error
	// Sealer seals what is kept for asking the provider later, and what waits for a second factor. Nil keeps nothing: no session is checked
	// again, and the provider is not told who signs out.
	Sealer *token.Sealer
	// Once remembers the logout tokens that were used, and which challenges of passkeys were answered.
	Once token.OnceStore
	// Count takes each sign-out that a provider told us of: back_channel or front_channel. Nil counts nothing.
	Count func(provider, how string)
	// LocalEnabled offers the local password to people whose address no provider has.
	LocalEnabled bool
	// BaseURL is public_url plus path_prefix.
	BaseURL string
	// Prefix is path_prefix.
	Prefix string
	// Factors are the second factors; nil asks for none.
	Factors *mfa.Service
	// Pending keeps what waits for a second factor.
	Pending session.PendingStore
	// IsAdmin reports whether somebody administers the gateway; nil is nobody.
	IsAdmin func(email string, groups []string) bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Request is what a sign-in page sent.
type Request struct {
	// Identifier is the address or name as typed.
	Identifier string
	// Provider names a provider directly; empty finds it by Identifier.
	Provider string
	// ReturnTo is where the person was going, as received.
	ReturnTo string
	// Password belongs to Flow.Password and Flow.ChangePassword alone, NewPassword to the latter.
	Password, NewPassword string
	// Remember keeps the session when the browser closes.
	Remember bool
	// SelectAccount asks a provider to offer other accounts.
	SelectAccount bool
	// ForceLogin asks a provider to authenticate afresh.
	ForceLogin bool
}

// Begin decides where somebody signs in and saves an attempt where a redirect provider is next. An unknown provider is
// fault.NotFound, one that is down fault.Unavailable.
func (f *Flow) Begin(w http.ResponseWriter, r *http.Request, req Request) (Step, error) {
	p := progress{identifier: req.Identifier, returnTo: f.returnTo(req.ReturnTo), selectAccount: req.SelectAccount, forceLogin: req.ForceLogin}
	if req.Provider != "" {
		var ok bool
		if p.provider, ok = f.Realms.Get(req.Provider); !ok {
			return Step{}, errNoProvider
		}
		return f.Next(w, r, p)
	}
	p.provider, p.local = f.route(req.Identifier)
	return f.Next(w, r, p)
}

// Password checks a password against the directory that was chosen, or the directory or local account that the identifier belongs to. A wrong name or
// password is identity.ErrWrongPassword; a state that only the right password reveals is a fault with a sentence, and an
// *identity.MustChange where a new password ends it; Step.Provider is then the directory. An
// identifier whose provider has its own page is sent there: its password is none of ours.
func (f *Flow) Password(w http.ResponseWriter, r *http.Request, req Request) (Step, error) {
	ctx := r.Context()
	p, err := f.whose(ctx, req)
	if err != nil {
		return Step{}, err
	}
	switch checker, _ := p.provider.(identity.PasswordChecker); {
	case p.local:
		p.via = account.OwnerLocal
		p.account, err = f.Accounts.CheckPassword(ctx, req.Identifier, req.Password)
	case checker != nil:
		p.via = checker.Info().ID
		if p.identity, err = f.askDirectory(ctx, checker, req); err != nil {
			f.refused(ctx, p, err)
			return byDirectory(p), err
		}
		p.account, err = f.Accounts.Admit(ctx, p.identity)
	}
	if err != nil {
		return Step{}, err // package account has recorded why
	}
	return f.Next(w, r, p)
}

// whose finds who is asked about a password.
func (f *Flow) whose(ctx context.Context, req Request) (progress, error) {
	p := progress{identifier: req.Identifier, returnTo: f.returnTo(req.ReturnTo), remember: req.Remember}
	if req.Provider == "" {
		p.provider, p.local = f.route(req.Identifier)
	} else if p.provider, _ = f.Realms.Get(req.Provider); p.provider == nil {
		return p, errNoProvider
	}
	if p.local {
		// Only now, with a password in hand, may it matter whether a local account exists: the page before is the same for all.
		known, err := f.Accounts.HasLocal(ctx, req.Identifier)
		if err != nil {
			return p, err
		}
		p.local = known || p.provider == nil
	}
	return p, nil
}

// Callback finishes an attempt with what a redirect provider sent back. Every failure is a fault with a sentence; none
// starts another attempt.
func (f *Flow) Callback(w http.ResponseWriter, r *http.Request, providerID string, params url.Values) (Step, error) {
	ctx := r.Context()
	provider, _ := f.Realms.Get(providerID)
	redirector, ok := provider.(identity.Redirector)
	if !ok {
		return Step{}, errNoProvider
	}
	p := progress{via: providerID, provider: provider}
	attempt, err := f.take(r, providerID, params["state"])
	if err != nil {
		// Not recorded: it is about nobody, and a stranger can send any number of them. The log line of the page has the reason.
		return Step{}, err
	}
	p.returnTo = attempt.ReturnTo
	p.identity, err = redirector.Exchange(ctx, identity.Callback{Params: params, Nonce: attempt.Nonce, Verifier: attempt.Verifier})
	if err != nil {
		f.refused(ctx, p, err)
		return Step{}, f.afterAll(r, err)
	}
	if p.account, err = f.Accounts.Admit(ctx, p.identity); err != nil {
		return Step{}, err // package account has recorded why
	}
	return f.Next(w, r, p)
}

// afterAll offers the way on to somebody who went back to a page of a sign-in that succeeded.
func (f *Flow) afterAll(r *http.Request, err error) error {
	if !fault.Is(err, fault.Expired) {
		return err
	}
	if s, lookup := f.Sessions.Lookup(r); lookup != nil || s == nil {
		return err
	}
	return fault.Wrap(fault.Expired, "You are signed in already. This page belonged to a sign-in that is over.", err)
}

// take finds the attempt that a callback belongs to and uses it up.
func (f *Flow) take(r *http.Request, providerID string, state []string) (session.Attempt, error) {
	browser, ok := f.Sessions.BrowserDigest(r)
	if len(state) != 1 || !token.WellFormed(state[0]) {
		return session.Attempt{}, errStale.WithReason("state_malformed")
	}
	if !ok {
		return session.Attempt{}, errStale.WithReason(ReasonBrowserUnknown)
	}
	a, err := f.Attempts.TakeAttempt(r.Context(), token.Digest(state[0]), browser, providerID, f.now())
	if fault.Is(err, fault.NotFound) {
		return session.Attempt{}, errStale.WithReason("attempt_unknown")
	}
	return a, err
}

// SignOut ends the session and returns where the browser goes next: the provider's sign-out page or our own. The next sign-in waits for a
// click, or the provider would sign the person straight in again.
func (f *Flow) SignOut(w http.ResponseWriter, r *http.Request) (string, error) {
	own := f.Prefix + "/signed-out"
	f.Sessions.WaitForClick(w)
	s, err := f.Sessions.End(w, r)
	if err != nil || s == nil {
		return own, err
	}
	ctx := r.Context()
	f.Audit.Record(ctx, audit.Event{Kind: audit.SignOut, AccountID: s.AccountID, Provider: s.Provider}.From(ctx))
	if there := f.leave(ctx, s); there != "" {
		return there, nil
	}
	return own, nil
}

// route finds who is asked about an identifier: the provider its address belongs to; failing that, the local accounts where
// they are switched on, and the first directory that may know the name. Where both are possible, Password chooses.
func (f *Flow) route(identifier string) (p identity.Provider, local bool) {
	id := identity.Normalize(identifier)
	if id == "" {
		return nil, false
	}
	if p, ok := f.Realms.Find(id); ok {
		return p, false
	}
	for _, q := range f.Realms.All() {
		info := q.Info()
		// A directory with domains of its own knows its people by bare name, but not by a foreign address.
		if !info.Redirects && (!strings.Contains(id, "@") || len(info.Domains) == 0) {
			return q, f.LocalEnabled
		}
	}
	return nil, f.LocalEnabled
}

// refused records a sign-in that failed before an account was asked for.
func (f *Flow) refused(ctx context.Context, p progress, err error) {
	reason := "error"
	var e *fault.Error
	var wrong identity.WrongPassword
	switch {
	case errors.As(err, &wrong) && wrong.Reason != "":
		reason = wrong.Reason
	case errors.Is(err, identity.ErrWrongPassword):
		reason = "wrong_password"
	case errors.As(err, &e) && e.Reason != "":
		reason = e.Reason
	case errors.As(err, &e):
		reason = strings.ReplaceAll(e.Kind.String(), " ", "_")
	}
	who := p.identifier
	if who == "" {
		who = p.identity.Email
	}
	f.Audit.Record(ctx, audit.Event{Kind: audit.SignInRefused, Identifier: clip(who), Provider: p.via, Reason: reason}.From(ctx))
}

// clip bounds what a stranger can write into the audit trail.
func clip(s string) string {
	const most = 254
	if len(s) > most {
		return s[:most]
	}
	return s
}

func (f *Flow) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

var (
	errNoProvider = fault.New(fault.NotFound, "There is no such way to sign in here.").WithNext(fault.NextSignIn).WithReason("provider_unknown")
	errStale      = fault.New(fault.Expired, "This sign-in has expired, was already used, or was begun in another browser.").WithNext(fault.NextSignIn)
)
