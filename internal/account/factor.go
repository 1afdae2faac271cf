package account

import (
	"context"
	"fmt"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
	"crmgate/internal/mfa"
	"crmgate/internal/throttle"
)

// The names of the mails about second factors in templates/mail.
const (
	mailFactorCode    = "factor_code"
	mailFactorChanged = "factor_changed"
	mailFactorLocked  = "factor_locked"
)

// FactorCodeMail is the data of templates/mail/factor_code.
type FactorCodeMail struct {
	About
	// Code is good once, for Lifetime.
	Code, Lifetime string
}

// FactorChangedMail is the data of templates/mail/factor_changed.
type FactorChangedMail struct {
	About
	// What says in one sentence what happened.
	What string
	// AccountURL is the person's own page.
	AccountURL string
}

// FactorLockedMail is the data of templates/mail/factor_locked.
type FactorLockedMail struct {
	About
	// Until is when the lock ends by itself; Lifetime is the same as "15 minutes".
	Until, Lifetime string
	// Endless is true for a lock that only an administrator ends.
	Endless bool
	// Local is true where the password that somebody knows is one of ours, CanReset where the person may change it by mail.
	Local, CanReset bool
}

// MailCode implements mfa.Courier.
func (s *Service) MailCode(ctx context.Context, who mfa.Person, to, code string, lifetime time.Duration) error {
	if s.Mail == nil {
		return fault.New(fault.Unavailable, "Mail is switched off here. Choose another way.").WithReason("mail_off")
	}
	about := s.about(ctx, &Account{Name: who.Name, Email: to, Username: who.Username}, "")
	m := mail.Message{To: to, Template: mailFactorCode, Data: FactorCodeMail{About: about, Code: code, Lifetime: Lifetime(lifetime)}}
	if err := s.Mail.Send(ctx, m); err != nil {
		return fmt.Errorf("queue mail %s for account %s: %w", mailFactorCode, who.ID, err)
	}
	return nil
}

// FactorChanged tells a person by mail what became of their second factors; what is one sentence.
func (s *Service) FactorChanged(ctx context.Context, accountID, what, actor string) {
	a, err := s.Store.GetAccount(ctx, accountID)
	if err != nil {
		s.log().ErrorContext(ctx, "mail about second factors not sent", "account", accountID, "error", err)
		return
	}
	if a.Email == "" {
		return
	}
	s.notify(ctx, a, mailFactorChanged, FactorChangedMail{About: s.noticed(ctx, a, actor, mailFactorChanged), What: what, AccountURL: s.url("/account")})
}

// FactorLocked records that an account's second factors are locked and tells the person: whoever got that far knew the password.
func (s *Service) FactorLocked(ctx context.Context, a *Account) {
	s.record(ctx, audit.Event{Kind: audit.FactorLocked, AccountID: a.ID, Provider: a.Owner, Reason: "failures"})
	if a.Email == "" {
		return
	}
	_, local := a.Local()
	d := s.Lockout.Config.Duration
	until, err := s.Lockout.Locked(ctx, throttle.FactorKey(a.ID))
	if err != nil || until.IsZero() { // opened already, by an administrator
		until = s.now().Add(d)
	}
	s.notify(ctx, a, mailFactorLocked, FactorLockedMail{About: s.noticed(ctx, a, "", mailFactorLocked), Until: clockTime(until), Lifetime: Lifetime(d),
		Endless: throttle.Endless(until, s.now()), Local: local, CanReset: local && s.Config.Reset.Enabled})
}

// SignInByPasskey returns the account whose passkey has just been proven as the only step. Only local accounts sign in so: a provider
// alone says who its people are, and whether they still are.
func (s *Service) SignInByPasskey(ctx context.Context, accountID string) (*Account, error) {
	a, err := s.Store.GetAccount(ctx, accountID)
	if fault.Is(err, fault.NotFound) {
		return nil, identity.ErrWrongPassword
	}
	if err != nil {
		return nil, fmt.Errorf("get account: %w", err)
	}
	l, ok := a.Local()
	switch {
	case !ok:
		name := a.Owner
		if info, ok := s.providerInfo(a); ok {
			name = info.Name
		}
		s.refused(ctx, a, "", resetAtProvider)
		return nil, fault.New(fault.Forbidden, fmt.Sprintf("You sign in with %s. Your passkey here is asked for after that.", name)).
			WithReason(resetAtProvider).WithNext(fault.Next{Label: "Go to sign-in", Path: "/sign-in"})
	case !s.Config.Enabled:
		s.refused(ctx, a, "", refusedOff)
		return nil, identity.ErrWrongPassword
	case a.State != Active:
		s.refused(ctx, a, "", refusedDisabled)
		return nil, identity.ErrWrongPassword
	}
	p, err := s.Passwords.GetPassword(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("get password: %w", err)
	}
	written, err := s.Store.UpdateAccount(ctx, a.ID, func(b *Account) error { b.LastSignIn = s.now(); return nil })
	if err != nil {
		return nil, fmt.Errorf("record sign-in: %w", err)
	}
	written.PasswordChangedAt = p.ChangedAt
	return written, nil
}
