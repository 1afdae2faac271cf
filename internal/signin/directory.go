package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/throttle"
)

// ChangePassword changes a directory's or a local password with the current one and signs the person in with the new one. A wrong
// name or current password is identity.ErrWrongPassword, counted like one at sign-in; a new password that is refused is fault.Invalid
// or *account.PasswordError. StepElsewhere is for a password that is not changed here.
func (f *Flow) ChangePassword(w http.ResponseWriter, r *http.Request, req Request) (Step, error) {
	ctx := r.Context()
	p, err := f.whose(ctx, req)
	if err != nil {
		return Step{}, err
	}
	changer, ok := p.provider.(identity.PasswordChanger)
	switch {
	case p.local:
		return f.changeLocal(w, r, p, req)
	case p.provider == nil:
		return Step{Kind: StepUnknown}, nil
	case !ok || !changer.Info().Password.ChangeHere:
		step := byDirectory(p)
		step.Kind = StepElsewhere
		return step, nil
	}
	p.via = changer.Info().ID
	if step, err := f.factorFirst(w, r, p, req, changer); step.Kind == StepFactor || err != nil {
		return step, err
	}
	return f.changeThere(w, r, p, req, changer)
}

// factorFirst asks for a second factor before a directory's password is changed, where a sign-in with that directory is asked for one: whoever
// comes from outside with a stolen password must not be able to change it through here. Somebody whose password has expired is let
// through, because the directory does not say who they are.
func (f *Flow) factorFirst(w http.ResponseWriter, r *http.Request, p progress, req Request, changer identity.PasswordChanger) (Step, error) {
	if _, _, ask := f.policy(p); f.Factors.Off() || !ask {
		return Step{}, nil
	}
	var err error
	if p.identity, err = f.askDirectory(r.Context(), changer, req); errors.As(err, new(*identity.MustChange)) {
		return Step{}, nil
	}
	if err != nil {
		f.refused(r.Context(), p, err)
		return byDirectory(p), err
	}
	if p.account, err = f.Accounts.Admit(r.Context(), p.identity); err != nil {
		return Step{}, err // package account has recorded why
	}
	ways, err := f.owed(r, p)
	if err != nil || len(ways) == 0 {
		return Step{}, err
	}
	return f.holdChange(w, r, p, req, ways)
}

// changeThere changes a password in a directory and signs in with the new one.
func (f *Flow) changeThere(w http.ResponseWriter, r *http.Request, p progress, req Request, changer identity.PasswordChanger) (Step, error) {
	ctx := r.Context()
	err := f.counted(ctx, p.via, req.Identifier, func() error {
		return changer.ChangePassword(ctx, req.Identifier, req.Password, req.NewPassword)
	})
	if err != nil {
		f.refused(ctx, p, err)
		return byDirectory(p), err
	}
	if p.identity, err = changer.CheckPassword(ctx, req.Identifier, req.NewPassword); err != nil {
		f.changed(ctx, p)
		f.refused(ctx, p, err)
		return byDirectory(p), notYet(changer.Info().Name, err)
	}
	held := p.account
	p.account, err = f.Accounts.Admit(ctx, p.identity)
	f.changed(ctx, p)
	if err != nil {
		return Step{}, err // package account has recorded why
	}
	if held != nil && held.ID != p.account.ID {
		return Step{}, errOver // the name became somebody else's meanwhile, whose factor nobody has proven
	}
	return f.Next(w, r, p)
}

// notYet is a sign-in with the new password that did not work. Another server may not have heard of it.
func notYet(name string, err error) error {
	if fault.Is(err, fault.Forbidden) {
		return err // it says what else is wrong
	}
	// Not wrapped: ErrWrongPassword would be about the current password, which was right.
	return fault.Wrap(fault.Unavailable, fmt.Sprintf("Your password at %s is changed, but signing in with it did not work yet. Wait a minute, then sign in with "+
		"the new password.", name), fmt.Errorf("sign in with the new password: %v", err)).WithReason("changed_not_signed_in").WithNext(fault.NextSignIn)
}

// changed records a new password. Whose it is, is known once the account is.
func (f *Flow) changed(ctx context.Context, p progress) {
	e := audit.Event{Kind: audit.PasswordSet, Provider: p.via, Identifier: clip(p.identifier), Reason: "changed"}
	if p.account != nil {
		e.AccountID, e.Identifier = p.account.ID, ""
	}
	f.Audit.Record(ctx, e.From(ctx))
}

// askDirectory asks a directory about a password.
func (f *Flow) askDirectory(ctx context.Context, checker identity.PasswordChecker, req Request) (id identity.Identity, err error) {
	err = f.counted(ctx, checker.Info().ID, req.Identifier, func() error {
		id, err = checker.CheckPassword(ctx, req.Identifier, req.Password)
		return err
	})
	return id, err
}

// counted asks a directory something that a wrong password fails, and stops asking where somebody guesses: the directory's own counter
// would lock the person out of everything else as well.
func (f *Flow) counted(ctx context.Context, provider, identifier string, ask func() error) error {
	key := throttle.Key("directory", provider+"\x00"+identity.Normalize(identifier))
	allowed, _, err := f.Accounts.Lockout.Begin(ctx, key)
	if err != nil {
		return err
	}
	if !allowed {
		return fault.New(fault.TooMany, "There were too many wrong passwords for this name. Wait a while before you try again.").
			WithReason("locked").WithNext(fault.NextHelp)
	}
	err = ask()
	if !errors.Is(err, identity.ErrWrongPassword) {
		// Right, or not looked at: a directory that is down must not use up somebody's tries.
		err = errors.Join(err, f.Accounts.Lockout.Succeed(ctx, key))
	}
	return err
}

// byDirectory says whose answer an error is.
func byDirectory(p progress) Step {
	if p.provider == nil || p.via == account.OwnerLocal {
		return Step{}
	}
	info := p.provider.Info()
	return Step{Provider: &info}
}
