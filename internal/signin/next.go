package signin

import (
	"context"
	"net/http"
	"strings"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

// StepKind says what the browser should see next.
type StepKind int

// The steps.
const (
	// StepUnknown shows the sign-in page again: no way in takes this identifier.
	StepUnknown StepKind = iota
	// StepRedirect sends the browser to URL, the provider's own page.
	StepRedirect
	// StepPassword shows the password page.
	StepPassword
	// StepElsewhere says where a password is changed that cannot be changed here: at Provider, or, without one, by a reset.
	StepElsewhere
	// StepDone sends the browser to URL, where it was going; the session has started.
	StepDone
	// StepFactor sends the browser to URL, a page that asks for a second factor or for setting one up.
	StepFactor
)

// Step is what Next decided.
type Step struct {
	Kind StepKind
	// URL belongs to StepRedirect, StepFactor and StepDone.
	URL string
	// Codes are fresh recovery codes, to be shown once before the browser goes on to URL.
	Codes []string
	// Who is the address or name of the person whose Codes they are.
	Who string
	// Provider is whose password StepPassword asks for, or whose answer an error is; nil where it is a local one or must not be told.
	Provider *identity.Info
	// Used belongs to StepDone.
	Used Way
}

// Way is how somebody signed in, for offering it first the next time.
type Way struct {
	// Provider is the provider id or "local".
	Provider string
	// Identifier is the address, or the name of somebody without one.
	Identifier string
}

// progress is what is known of a sign-in so far. Next reads nothing else.
type progress struct {
	identifier              string
	returnTo                string
	remember, selectAccount bool
	forceLogin              bool
	// provider is who will be asked, nil where nobody but ourselves.
	provider identity.Provider
	// local is true where a local password may be meant.
	local bool

	// via, account and identity are set by a proof: which provider (or "local") vouched, for whom, and what it said.
	via      string
	account  *account.Account
	identity identity.Identity

	// factor is the second factor that was proven and factorAt when, alone true where it was the only step.
	factor   *mfa.Proof
	factorAt time.Time
	alone    bool
	// device is the remembered device that stands in for one.
	device string
	// later is true where the person puts setting one up off.
	later bool
	// waited is true where the first proof lies some minutes back.
	waited bool
}

// Next is the dispatcher: from what is known it decides the one step that follows.
func (f *Flow) Next(w http.ResponseWriter, r *http.Request, p progress) (Step, error) {
	if p.account != nil {
		return f.second(w, r, p)
	}
	switch who := p.provider.(type) {
	case identity.Redirector:
		return f.redirect(w, r, p, who)
	case identity.PasswordChecker:
		step := Step{Kind: StepPassword}
		if !p.local {
			info := who.Info()
			step.Provider = &info
		}
		return step, nil
	}
	if p.local {
		return Step{Kind: StepPassword}, nil
	}
	return Step{Kind: StepUnknown}, nil
}

// redirect saves an attempt and sends the browser to the provider.
func (f *Flow) redirect(w http.ResponseWriter, r *http.Request, p progress, to identity.Redirector) (Step, error) {
	ctx, now, state := r.Context(), f.now(), token.NewSecret()
	a := session.Attempt{
		StateDigest: token.Digest(state), Provider: to.Info().ID, Nonce: token.NewSecret(), Verifier: token.NewSecret(),
		ReturnTo: p.returnTo, CreatedAt: now, ExpiresAt: now.Add(AttemptLifetime),
	}
	there, err := to.AuthURL(ctx, identity.AuthRequest{
		State: state, Nonce: a.Nonce, Verifier: a.Verifier, LoginHint: p.identifier, SelectAccount: p.selectAccount, ForceLogin: p.forceLogin,
	})
	if err != nil {
		return Step{}, err
	}
	a.Browser = f.Sessions.Browser(w, r)
	if err := f.Attempts.CreateAttempt(ctx, a, MaxAttempts); err != nil {
		return Step{}, err
	}
	return Step{Kind: StepRedirect, URL: there}, nil
}

// finish starts the session. It is the only place that does.
func (f *Flow) finish(w http.ResponseWriter, r *http.Request, p progress) (Step, error) {
	ctx, a := r.Context(), p.account
	email, doubtful := f.address(p)
	s := session.Session{
		AccountID: a.ID, Email: email, EmailDoubtful: doubtful, Name: a.Name, Username: a.Username, Groups: a.Groups, Provider: p.via,
		Issuer: p.identity.Issuer, Subject: p.identity.Subject, ProviderSession: p.identity.SessionID,
		AMR: p.identity.AMR, AuthTime: p.identity.AuthTime, Remember: p.remember,
	}
	if p.via != account.OwnerLocal {
		s.Groups = p.identity.Groups
	}
	if len(s.AMR) == 0 && p.identity.IDToken == "" && !p.alone {
		s.AMR = []string{"pwd"}
	}
	s.Device = p.device
	if p.factor != nil {
		s.FactorAt, s.AMR = p.factorAt, withFactor(s.AMR, p.factor.AMR)
	}
	if s.AuthTime.IsZero() || s.AuthTime.After(f.now()) {
		s.AuthTime = f.now()
	}
	f.keep(&s, p.identity)
	if p.via == account.OwnerLocal {
		s.PasswordExpires = moment(a.PasswordExpires)
	}
	s.LastSignIn = moment(f.Accounts.LastArrival(ctx, a.ID))
	var refusal error
	var arrival account.Arrival
	_, err := f.Sessions.StartWith(w, r, s, func(ctx context.Context) error {
		if refusal = f.recheck(ctx, p); refusal != nil {
			return refusal
		}
		f.Audit.Record(ctx, audit.Event{Kind: audit.SignIn, AccountID: a.ID, Provider: p.via, Detail: strings.Join(s.AMR, " ")}.From(ctx))
		arrival = f.Accounts.Arrived(ctx, a, f.Sessions.KnownSecrets(r))
		return nil
	})
	if refusal != nil {
		f.refused(ctx, p, refusal)
	}
	if err != nil {
		return Step{}, err
	}
	f.arrived(w, r, arrival)
	return Step{Kind: StepDone, URL: p.returnTo, Used: Way{Provider: p.via, Identifier: a.SignInName(f.Realms)}}, nil
}

// recheck looks at the account again now that the session is written, and records LastSignIn. An administrator may have disabled it, or a
// reset may have replaced the password, between the proof and the session; ending all sessions then missed this one. Because it writes,
// whoever disables the account now waits until the session stands, and finds it.
func (f *Flow) recheck(ctx context.Context, p progress) error {
	a, err := f.Accounts.Store.UpdateAccount(ctx, p.account.ID, func(a *account.Account) error {
		if a.State != account.Active {
			return errDisabled
		}
		a.LastSignIn = f.now()
		return nil
	})
	if err != nil {
		return err
	}
	if p.via != account.OwnerLocal {
		return nil
	}
	if p.waited {
		// Somebody has been guessing the password since: what was proven before does not open a locked account.
		until, err := f.Accounts.LockedUntil(ctx, a)
		if err != nil {
			return err
		}
		if !until.IsZero() {
			return errLockedSince
		}
	}
	local, ok := a.Local()
	if !ok {
		return p.stale()
	}
	password, err := f.Accounts.Passwords.GetPassword(ctx, local)
	if err != nil {
		return err
	}
	if !password.ChangedAt.Equal(p.account.PasswordChangedAt) {
		return p.stale()
	}
	return nil
}

// stale is the answer where the password has changed since it was proven. Whoever has just typed it is told what a wrong one is told.
func (p progress) stale() error {
	if p.waited || p.alone {
		return errOver
	}
	return identity.ErrWrongPassword
}

// address returns the address that the session may carry. The account keeps what the provider said; the session does not pass it on where
// it belongs to another provider, which alone may say who somebody at its domain is: a partner's provider must not be able to name
// the customer's director.
func (f *Flow) address(p progress) (email string, doubtful bool) {
	return addressFor(f.Realms, p.via, p.account.Email, p.identity.EmailDoubtful)
}

// addressFor is address for what somebody (a provider, or "local") says at a moment.
func addressFor(realms *identity.Realms, via, email string, saidDoubtful bool) (_ string, doubtful bool) {
	if via == account.OwnerLocal {
		return email, false
	}
	return realms.Vouched(via, email, saidDoubtful)
}
