package account

import (
	"context"
	"errors"
	"fmt"

	"crmgate/internal/fault"
)

// forChange is the reason in the audit trail of a password that was changed with the former one.
const forChange Purpose = "change"

// ChangePassword sets a new password for a local account with the one that is known, also where that one is too old to sign in
// with. A wrong name or current password is identity.ErrWrongPassword, counted and worked for as at sign-in; a new one that breaks the
// rules is fault.Invalid with a *PasswordError inside. All sessions end, and the person is told by mail. May is asked right before anything is
// written, once both passwords are found good: its error stops the change and is returned as it is; nil lets everybody.
func (s *Service) ChangePassword(ctx context.Context, identifier, current, fresh string, may func(context.Context, *Account) error) error {
	p, err := s.prove(ctx, identifier, current)
	if err != nil {
		return err
	}
	l, _ := p.account.Local()
	password, err := s.checkChange(ctx, p.account, l, current, fresh)
	var refused *PasswordError
	if errors.As(err, &refused) {
		// The current password was right: a new one that is too weak must not count as guessing.
		return errors.Join(s.Lockout.Succeed(ctx, p.key), fault.Wrap(fault.Invalid, refused.Sentence, refused).WithReason("weak_password"))
	}
	if err != nil {
		return err
	}
	if may != nil {
		if err := may(ctx, p.account); err != nil {
			return errors.Join(s.Lockout.Succeed(ctx, p.key), err)
		}
	}
	hash, err := s.hash.make(ctx, password)
	if err != nil {
		return err
	}
	err = s.Passwords.ReplacePassword(ctx, l, p.hash, hash, s.Config.Password.History, s.now())
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Forbidden) {
		return s.turnAway(ctx, p, refusedPassword) // changed, disabled or adopted meanwhile: what was typed is right no longer
	}
	if err != nil {
		return fmt.Errorf("replace password: %w", err)
	}
	if err := s.Lockout.Succeed(ctx, p.key); err != nil {
		s.log().ErrorContext(ctx, "attempt not taken back after new password", "account", p.account.ID, "error", err)
	}
	_, err = s.afterPassword(context.WithoutCancel(ctx), p.account.ID, forChange)
	return err
}

// checkChange is checkNew for somebody whose current password is known to be right.
func (s *Service) checkChange(ctx context.Context, a *Account, l Local, current, fresh string) (string, error) {
	was, _ := canonical(current)
	if is, ok := canonical(fresh); ok && is == was {
		return "", refusePassword("This is the password you have now. Please choose another one.")
	}
	return s.checkNew(ctx, a, l, fresh)
}
