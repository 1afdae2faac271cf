package signin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/session"
)

// Confirm is how somebody without a factor shows that it is still them.
type Confirm struct {
	// Password asks for the password that they sign in with; Provider names whose it is, empty for one of ours.
	Password bool
	Provider string
	// URL leads to signing in again, where there is no password to ask for here.
	URL string
	// Rule is true where a rule asks for a second factor that the provider is trusted with.
	Rule bool
	// Who is the address or name to show.
	Who, ReturnTo string
}

// Fresh reports whether a session may change what protects its account: its person has proven a factor within factors.fresh, or, where they
// have none, who they are.
func (f *Flow) Fresh(r *http.Request, s *session.Session) (bool, error) {
	if f.provenLately(s) {
		return true, nil
	}
	if has, err := f.hasFactor(r, s.AccountID); err != nil || has {
		return false, err
	}
	return f.within(s.AuthTime), nil
}

// provenLately reports whether a factor of ours was proven within factors.fresh.
func (f *Flow) provenLately(s *session.Session) bool { return f.within(s.FactorAt) }

// within reports whether a moment lies within factors.fresh.
func (f *Flow) within(at time.Time) bool {
	age := f.now().Sub(at)
	return !at.IsZero() && age > -time.Minute && age < f.Factors.Config().Fresh // another replica's clock may be ahead
}

// theirs reports whether the session's provider is trusted with second factors and has seen one: it is asked for the next one, too.
func (f *Flow) theirs(s *session.Session) bool {
	provider, ok := f.Realms.Get(s.Provider)
	_, redirects := provider.(identity.Redirector)
	return ok && redirects && provider.Info().Factor != identity.FactorAlways && s.FactorAt.IsZero() && !s.Who().FactorAt.IsZero()
}

func (f *Flow) hasFactor(r *http.Request, accountID string) (bool, error) {
	c, err := f.Factors.Choices(r.Context(), accountID)
	return c.Enrolled, err
}

// StepUp asks somebody who is signed in to prove a second factor again. A Step leads to the page that asks, or straight back where it was
// proven lately; a Confirm says how somebody without a factor confirms a change on a page of ours. Whoever has no factor and
// meets a rule that asks for one is led to set one up.
func (f *Flow) StepUp(r *http.Request, raw string) (Step, *Confirm, error) {
	to := f.localReturn(raw)
	s, err := f.Sessions.Lookup(r)
	if err != nil {
		return Step{}, nil, err
	}
	if s == nil {
		return Step{Kind: StepFactor, URL: f.signInURL(to)}, nil, nil
	}
	own := f.own(to)
	if f.Factors.Off() && !own {
		return Step{}, nil, fault.New(fault.Forbidden, "This page asks for a second step, and those are switched off here. Please ask your administrator.").WithReason("factors_off")
	}
	// What memory says may be a second old, and whoever has just been here must not be asked twice.
	if s, err = f.Sessions.Current(r.Context(), s.ID); err != nil {
		return Step{}, nil, err
	}
	fresh := f.within(s.Who().FactorAt) // what rules look at
	if own {
		// What a provider saw does not open what protects the account here.
		if fresh, err = f.Fresh(r, s); err != nil {
			return Step{}, nil, err
		}
	}
	if fresh {
		return Step{Kind: StepDone, URL: to}, nil, nil
	}
	choices, err := f.Factors.Choices(r.Context(), s.AccountID)
	if err != nil {
		return Step{}, nil, err
	}
	switch {
	case choices.Enrolled:
		ticket, err := f.hold(r, sessionHolder(s.Bound()), waiting{For: forStepUp, AccountID: s.AccountID, ReturnTo: to, Kind: choices.Ways[0].Kind})
		return Step{Kind: StepFactor, URL: f.factorURL("", ticket)}, nil, err
	case own:
		return Step{}, f.confirm(s, to), nil
	case f.theirs(s):
		c := f.confirm(s, to)
		c.Rule = true
		return Step{}, c, nil
	}
	return Step{Kind: StepFactor, URL: f.enrolURL(to)}, nil, nil
}

// confirm says how a session without a factor shows that it is still them.
func (f *Flow) confirm(s *session.Session, to string) *Confirm {
	c := &Confirm{Who: s.Email, ReturnTo: to}
	if c.Who == "" {
		c.Who = s.Username
	}
	provider, ok := f.Realms.Get(s.Provider)
	switch {
	case !ok && s.Provider != account.OwnerLocal, !s.FactorAt.IsZero() && s.Provider == account.OwnerLocal:
		// Also where a factor was proven in this session and is gone since: "mfa" in its amr must not be renewed by a password.
		c.URL = f.signInURL(to)
	case s.Provider == account.OwnerLocal:
		c.Password = true
	default:
		info := provider.Info()
		c.Provider = info.Name
		_, c.Password = provider.(identity.PasswordChecker)
		if c.Password = c.Password && s.FactorAt.IsZero(); !c.Password {
			c.URL = f.Prefix + "/sign-in/" + url.PathEscape(info.ID) + "?" + url.Values{"return_to": {to}, "again": {"1"}}.Encode()
		}
	}
	return c
}

// ConfirmPassword takes the password of somebody without a factor as proof that it is still them. A wrong one is
// identity.ErrWrongPassword, and counts as one at sign-in does.
func (f *Flow) ConfirmPassword(w http.ResponseWriter, r *http.Request, raw, password string) (Step, *Confirm, error) {
	to := f.localReturn(raw)
	s, err := f.Sessions.Lookup(r)
	if err != nil {
		return Step{}, nil, err
	}
	if s == nil {
		return Step{Kind: StepFactor, URL: f.signInURL(to)}, nil, nil
	}
	has, err := f.hasFactor(r, s.AccountID)
	if err != nil {
		return Step{}, nil, err
	}
	c := f.confirm(s, to)
	if has || !c.Password {
		return Step{Kind: StepFactor, URL: f.stepUpURL(to)}, nil, nil
	}
	if err := f.samePerson(r, s, password); err != nil {
		return Step{}, c, err
	}
	_, err = f.Sessions.Renew(w, r, s.ID, func(s *session.Session) error { s.AuthTime = f.now(); return nil })
	return Step{Kind: StepDone, URL: to}, c, err
}

// samePerson checks that a password is that of the session's own person.
func (f *Flow) samePerson(r *http.Request, s *session.Session, password string) error {
	ctx := r.Context()
	if s.Provider == account.OwnerLocal {
		a, err := f.Accounts.Store.GetAccount(ctx, s.AccountID)
		if err != nil {
			return err
		}
		name := a.Email
		if name == "" {
			name = a.Username
		}
		b, err := f.Accounts.CheckPassword(ctx, name, password)
		if err == nil && b.ID != s.AccountID {
			err = identity.ErrWrongPassword
		}
		return err
	}
	provider, _ := f.Realms.Get(s.Provider)
	checker, ok := provider.(identity.PasswordChecker)
	if !ok {
		return errNoProvider
	}
	name := s.Username
	if name == "" {
		name = s.Email
	}
	id, err := f.askDirectory(ctx, checker, Request{Identifier: name, Password: password})
	if err == nil && (id.Issuer != s.Issuer || id.Subject != s.Subject) {
		err = errors.Join(identity.ErrWrongPassword, errors.New("the directory answered about somebody else"))
	}
	return err
}

// localReturn is a local address to go to after a step; our own pages about accounts and factors are among them.
func (f *Flow) localReturn(raw string) string {
	to := ReturnTo(raw)
	if f.ownPath(to, "/factor") && !f.ownPath(to, "/factor/step-up") {
		return to
	}
	return f.returnTo(raw)
}

// own reports whether an address is one of our own pages.
func (f *Flow) own(to string) bool { return f.ownPath(to, "") }

func (f *Flow) ownPath(to, below string) bool {
	path, _, _ := strings.Cut(to, "?")
	root := f.Prefix + below
	return path == root || strings.HasPrefix(path, root+"/")
}

func (f *Flow) signInURL(returnTo string) string {
	return f.Prefix + "/sign-in?" + url.Values{"return_to": {returnTo}}.Encode()
}

func (f *Flow) stepUpURL(returnTo string) string {
	return f.Prefix + "/factor/step-up?" + url.Values{"return_to": {returnTo}}.Encode()
}
