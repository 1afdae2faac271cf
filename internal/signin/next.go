package signin

import (
	"cmp"
	"context"
	"net/http"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
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
)

// Step is what Next decided.
type Step struct {
	Kind StepKind
	// URL belongs to StepRedirect and StepDone.
	URL string
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
	// provider is who will be asked, nil where nobody but ourselves.
	provider identity.Provider
	// local is true where a local password may be meant.
	local bool

	// via, account and identity are set by a proof: which provider (or "local") vouched, for whom, and what it said.
	via      string
	account  *account.Account
	identity identity.Identity
}

// Next is the dispatcher: from what is known it decides the one step that follows.
func (f *Flow) Next(w http.ResponseWriter, r *http.Request, p progress) (Step, error) {
	if p.account != nil {
		return f.finish(w, r, p)
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
		State: state, Nonce: a.Nonce, Verifier: a.Verifier, LoginHint: p.identifier, SelectAccount: p.selectAccount,
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
	if len(s.AMR) == 0 && p.identity.IDToken == "" {
		s.AMR = []string{"pwd"}
	}
	if s.AuthTime.IsZero() || s.AuthTime.After(f.now()) {
		s.AuthTime = f.now()
	}
	f.keep(&s, p.identity)
	if p.via == account.OwnerLocal {
		s.PasswordExpires = moment(a.PasswordExpires)
	}
	started, err := f.Sessions.Start(w, r, s)
	if err != nil {
		return Step{}, err
	}
	if err := f.recheck(ctx, p); err != nil {
		if err := f.Sessions.Revoke(ctx, started.ID); err != nil {
			return Step{}, err
		}
		f.refused(ctx, p, err)
		return Step{}, err
	}
	f.Audit.Record(ctx, audit.Event{Kind: audit.SignIn, AccountID: a.ID, Provider: p.via}.From(ctx))
	return Step{Kind: StepDone, URL: p.returnTo, Used: Way{Provider: p.via, Identifier: cmp.Or(a.Email, a.Username)}}, nil
}

// recheck looks at the account again now that the session exists. An administrator may have disabled it, or a reset may have
// replaced the password, between the proof and the session; ending all sessions then missed this one.
func (f *Flow) recheck(ctx context.Context, p progress) error {
	a, err := f.Accounts.Store.GetAccount(ctx, p.account.ID)
	if err != nil {
		return err
	}
	if a.State != account.Active {
		return fault.New(fault.Forbidden, "This account is disabled. Please ask your administrator.").WithReason("account_disabled")
	}
	if p.via != account.OwnerLocal {
		return nil
	}
	local, ok := a.Local()
	if !ok {
		return identity.ErrWrongPassword
	}
	password, err := f.Accounts.Passwords.GetPassword(ctx, local)
	if err != nil {
		return err
	}
	if !password.ChangedAt.Equal(p.account.PasswordChangedAt) {
		return identity.ErrWrongPassword
	}
	return nil
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
