package signin

import (
	"context"
	"errors"
	"net/http"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
)

// errFactorFirst stops a change of somebody who has a second factor and has not lately proven it.
var errFactorFirst = errors.New("a second factor comes first")

// changeLocal is ChangePassword for a local account. The password comes first here, too: where a name may be local or the directory's,
// the answer must not tell which it is. Whoever has a second factor proves it before anything is changed: a stolen password alone must
// not be able to replace itself, and to sign the owner out everywhere with that.
func (f *Flow) changeLocal(w http.ResponseWriter, r *http.Request, p progress, req Request) (Step, error) {
	ctx := r.Context()
	if f.ChangeLocal == nil {
		_, err := f.Accounts.CheckPassword(ctx, req.Identifier, req.Password)
		return Step{Kind: StepElsewhere}, err
	}
	p.via = account.OwnerLocal
	var ways []mfa.Info
	err := f.ChangeLocal(ctx, req.Identifier, req.Password, req.NewPassword, func(_ context.Context, a *account.Account) (err error) {
		p.account = a
		if ways, err = f.owed(r, p); err == nil && len(ways) > 0 {
			err = errFactorFirst
		}
		return err
	})
	if errors.Is(err, errFactorFirst) {
		return f.holdChange(w, r, p, req, ways)
	}
	if err != nil {
		return Step{}, err // package account has recorded why
	}
	return f.withNew(w, r, p, req)
}

// owed returns the ways to prove a second factor of somebody who must do so before their password is changed; none where they have no factor,
// or have proven it lately in this browser. A remembered device does not count, as it does not for other changes to an account.
func (f *Flow) owed(r *http.Request, p progress) ([]mfa.Info, error) {
	if f.Factors.Off() {
		return nil, nil
	}
	must, _, ask := f.policy(p)
	choices, err := f.Factors.Choices(r.Context(), p.account.ID)
	if err != nil || !ask || !choices.Enrolled && !must {
		return nil, err
	}
	s, err := f.Sessions.Lookup(r)
	if err != nil || s != nil && s.AccountID == p.account.ID && f.provenLately(s) {
		return nil, err
	}
	return choices.Ways, nil
}

// holdChange keeps a change that both passwords are good for until a second factor is proven.
func (f *Flow) holdChange(w http.ResponseWriter, r *http.Request, p progress, req Request, ways []mfa.Info) (Step, error) {
	_, every, _ := f.policy(p)
	wt := waiting{
		For: forChange, AccountID: p.account.ID, ReturnTo: p.returnTo, Via: p.via, Remember: p.remember, Every: every,
		Identifier: req.Identifier, Password: req.Password, NewPassword: req.NewPassword,
	}
	f.start(r, &wt, personOf(p.account), ways[0])
	ticket, err := f.hold(r, browserHolder(f.Sessions.Browser(w, r)), wt)
	return Step{Kind: StepFactor, URL: f.factorURL("", ticket)}, err
}

// changeHeld makes a change whose factor was proven now, and signs in with the new password.
func (f *Flow) changeHeld(w http.ResponseWriter, r *http.Request, st step, proof mfa.Proof) (Step, error) {
	req := Request{Identifier: st.Identifier, Password: st.Password, NewPassword: st.NewPassword}
	p := progress{identifier: st.Identifier, via: st.Via, remember: st.Remember, returnTo: st.ReturnTo, factor: &proof, factorAt: f.now(), waited: true}
	if p.via != account.OwnerLocal {
		p.provider, _ = f.Realms.Get(p.via)
		changer, ok := p.provider.(identity.PasswordChanger)
		if !ok {
			return Step{}, errOver
		}
		p.account = &account.Account{ID: st.AccountID}
		next, err := f.changeThere(w, r, p, req, changer)
		return next, heldError(err)
	}
	err := f.ChangeLocal(r.Context(), req.Identifier, req.Password, req.NewPassword, func(_ context.Context, a *account.Account) error {
		if a.ID != st.AccountID {
			return errOver
		}
		return nil
	})
	if err != nil {
		return Step{}, heldError(err)
	}
	return f.withNew(w, r, p, req)
}

// heldError is what somebody is told who is not on the page any more on which they typed passwords. A directory says what it refuses about
// a new one only now.
func heldError(err error) error {
	var said *fault.Error
	switch {
	case errors.Is(err, identity.ErrWrongPassword):
		return errOver // locked, disabled or changed meanwhile; package account has recorded which
	case fault.Is(err, fault.Invalid) && errors.As(err, &said):
		return fault.Wrap(fault.Invalid, said.Sentence, err).WithReason("weak_password").WithNext(fault.Next{Label: "Choose another password", Path: "/sign-in/change-password"})
	}
	return err
}

// withNew signs in with the password that was set now.
func (f *Flow) withNew(w http.ResponseWriter, r *http.Request, p progress, req Request) (Step, error) {
	var err error
	if p.account, err = f.Accounts.CheckPassword(r.Context(), req.Identifier, req.NewPassword); err != nil {
		return Step{}, err
	}
	return f.Next(w, r, p)
}
