package account

import (
	"context"
	"fmt"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// issue makes a one-time token and returns the link that carries it. Only its digest is kept.
func (s *Service) issue(ctx context.Context, l Local, p Purpose) (link string, err error) {
	path, life := "/reset/", s.Config.Reset.LinkLifetime
	switch p {
	case ForInvitation:
		path, life = "/invite/", s.Config.InvitationLifetime
	case ForWithdrawal:
		path = "/withdraw/" // for as long as there is something to withdraw
	}
	secret, now := token.NewSecret(), s.now()
	err = s.Tokens.CreateToken(ctx, l, OneTime{Digest: token.Digest(secret), AccountID: l.AccountID(), Purpose: p,
		CreatedAt: now, ExpiresAt: now.Add(life), Address: audit.OriginOf(ctx).Address})
	if err != nil {
		return "", fmt.Errorf("create one-time token: %w", err)
	}
	return s.url(path) + secret, nil
}

// expired is the one answer to a token that is used up, too old, of another purpose, or never was.
func expired(p Purpose) error {
	switch p {
	case ForWithdrawal:
		return fault.New(fault.Expired, "This request is over already: it was withdrawn, used or replaced by a newer one, or its time has run out.").WithNext(fault.NextHelp)
	case ForInvitation:
		return fault.New(fault.Expired, "This invitation no longer works. Please ask whoever invited you for a new one.").WithNext(fault.NextHelp)
	}
	return fault.New(fault.Expired, "This link no longer works: it was used already or is too old.").WithNext(fault.NextReset)
}

// PeekToken returns the account behind a one-time token that is still good, without using it; fault.Expired otherwise.
func (s *Service) PeekToken(ctx context.Context, p Purpose, secret string) (*Account, error) {
	if !s.Config.Enabled || !token.WellFormed(secret) {
		return nil, expired(p)
	}
	t, err := s.Tokens.GetToken(ctx, token.Digest(secret), p, s.now())
	if fault.Is(err, fault.NotFound) {
		return nil, expired(p)
	}
	if err != nil {
		return nil, fmt.Errorf("get one-time token: %w", err)
	}
	a, err := s.Store.GetAccount(ctx, t.AccountID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, fmt.Errorf("get account: %w", err)
	}
	if _, ok := a.Local(); !ok || a.State == Disabled {
		return nil, expired(p)
	}
	return a, nil
}

// RedeemToken sets the password with a one-time token. A password that breaks the rules is a *PasswordError and leaves the token good.
// Afterwards all sessions of the account are ended and the person is told by mail.
func (s *Service) RedeemToken(ctx context.Context, p Purpose, secret, password string) (*Account, error) {
	s.open()
	if p != ForReset && p != ForInvitation {
		return nil, expired(p)
	}
	a, err := s.PeekToken(ctx, p, secret)
	if err != nil {
		return nil, err
	}
	l, _ := a.Local()
	password, err = s.checkNew(ctx, a, l, password)
	if err != nil {
		// Of two who send the same at once the second would hear that it had used its password before.
		if _, gone := s.PeekToken(ctx, p, secret); fault.Is(gone, fault.Expired) {
			return nil, gone
		}
		return nil, err
	}
	hash, err := s.hash.make(ctx, password)
	if err != nil {
		return nil, err
	}
	id, err := s.Tokens.RedeemToken(ctx, token.Digest(secret), p, s.now(), hash, s.Config.Password.History)
	if fault.Is(err, fault.NotFound) {
		return nil, expired(p)
	}
	if err != nil {
		return nil, fmt.Errorf("redeem one-time token: %w", err)
	}
	// The password is set: what follows must not depend on a browser that waits.
	return s.afterPassword(context.WithoutCancel(ctx), id, p)
}

// Withdraw ends a request for a reset with the token from its mail: the link in it works no longer. Of many who come with one token one
// withdraws and the others get fault.Expired.
func (s *Service) Withdraw(ctx context.Context, secret string) error {
	if !s.Config.Enabled || !token.WellFormed(secret) {
		return expired(ForWithdrawal)
	}
	id, err := s.Tokens.WithdrawReset(ctx, token.Digest(secret), s.now())
	if fault.Is(err, fault.NotFound) {
		return expired(ForWithdrawal)
	}
	if err != nil {
		return fmt.Errorf("withdraw reset: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.ResetWithdrawn, AccountID: id, Provider: OwnerLocal, Reason: "by_mail"})
	return nil
}

// afterPassword does what belongs to a new password: everybody who is signed in with the old one is out, the lock is over, the
// person is told. A step that fails does not keep the others from being done.
func (s *Service) afterPassword(ctx context.Context, id string, p Purpose) (*Account, error) {
	s.record(ctx, audit.Event{Kind: audit.PasswordSet, AccountID: id, Provider: OwnerLocal, Reason: string(p)})
	endErr := s.Sessions.EndAccount(ctx, id, "")
	if err := s.Lockout.Unlock(ctx, lockoutKey(id)); err != nil {
		s.log().ErrorContext(ctx, "lock not ended after new password", "account", id, "error", err)
	}
	a, err := s.Store.GetAccount(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("get account: %w", err)
	}
	s.notify(ctx, a, mailPasswordChanged, PasswordChangedMail{About: s.noticed(ctx, a, "", mailPasswordChanged), First: p == ForInvitation, CanReset: s.Config.Reset.Enabled})
	if endErr != nil {
		return nil, fault.Wrap(fault.Unavailable,
			"Your new password is set. Browsers that were signed in before may still be: please ask your CRM support to end your sessions.",
			fmt.Errorf("end sessions after new password: %w", endErr)).WithNext(fault.NextSignIn)
	}
	return a, nil
}
