package account

import (
	"context"
	"fmt"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/mail"
)

// The names of the mails in templates/mail.
const (
	mailInvitation      = "invitation"
	mailResetLocal      = "reset_local"
	mailResetProvider   = "reset_provider"
	mailPasswordChanged = "password_changed"
	mailPasswordExpires = "password_expires"
	mailLocked          = "locked"
	mailAdopted         = "account_adopted"
	mailBeside          = "account_beside"
)

// About is what every mail can say about its reader and its cause.
type About struct {
	// Name, Email and Username are the account's; Name and Username may be empty.
	Name, Email, Username string
	// At is when it happened, such as "1 March 2026, 09:00 UTC".
	At string
	// Address is the IP address of whoever caused the mail, Browser the device in plain words; both are empty for the command line, and Browser
	// where it is not known.
	Address, Browser string
	// ByAdministrator is true where an administrator caused the mail.
	ByAdministrator bool
	// NotMeLink locks the account, once and without a sign-in, for NotMeLifetime such as "3 days"; empty where the mail has none.
	NotMeLink, NotMeLifetime string
	// SignInURL, ResetURL and HelpURL are pages of the gateway.
	SignInURL, ResetURL, HelpURL string
}

// InvitationMail is the data of templates/mail/invitation.
type InvitationMail struct {
	About
	// SignInName is what to type at sign-in.
	SignInName string
	// Link works once, until Until; Lifetime is the same as "3 days".
	Link, Lifetime, Until string
}

// ResetMail is the data of templates/mail/reset_local.
type ResetMail struct {
	About
	// Link works once, until Until; Lifetime is the same as "30 minutes".
	Link, Lifetime, Until string
	// WithdrawLink ends the request without a sign-in.
	WithdrawLink string
}

// ProviderMail is the data of templates/mail/reset_provider: the answer to a reset that another has to make.
type ProviderMail struct {
	About
	// Provider is the provider's name.
	Provider string
	// ProviderURL is where the provider resets passwords; may be empty. Help is the administrator's sentence; may be empty.
	ProviderURL, Help string
}

// PasswordChangedMail is the data of templates/mail/password_changed.
type PasswordChangedMail struct {
	About
	// First is true for the password that an invitation set.
	First bool
	// CanReset is true where the person may ask for a reset link.
	CanReset bool
}

// PasswordExpiresMail is the data of templates/mail/password_expires.
type PasswordExpiresMail struct {
	About
	// Until is when the password must be changed; Left is the same as "9 days".
	Until, Left string
	// CanReset is true where the person may ask for a reset link.
	CanReset bool
}

// LockedMail is the data of templates/mail/locked.
type LockedMail struct {
	About
	// Until is when the lock ends by itself; Lifetime is the same as "15 minutes".
	Until, Lifetime string
	// Endless is true for a lock that ends only with a new password or by an administrator.
	Endless bool
	// CanReset is true where the person may ask for a reset link.
	CanReset bool
}

// AdoptedMail is the data of templates/mail/account_adopted.
type AdoptedMail struct {
	About
	// Provider is the name of the provider that the account belongs to now.
	Provider string
}

// BesideMail is the data of templates/mail/account_beside: somebody with the same address has a corporate account now.
type BesideMail struct {
	About
	// Provider is the name of the provider that the other account belongs to.
	Provider string
}

// about fills in what every mail says.
func (s *Service) about(ctx context.Context, a *Account, actor string) About {
	from := audit.OriginOf(ctx)
	return About{
		Name: a.Name, Email: a.Email, Username: a.Username,
		At: clockTime(s.now()), Address: from.Address, Browser: audit.Browser(from.UserAgent), ByAdministrator: actor != "",
		SignInURL: s.url("/sign-in"), ResetURL: s.url("/reset"), HelpURL: s.url("/help"),
	}
}

// send queues a mail to an account, that is of use for so long; zero is some days. Without a mail server it does nothing.
func (s *Service) send(ctx context.Context, a *Account, template string, data any, life time.Duration) error {
	if s.Mail == nil {
		return nil
	}
	m := mail.Message{To: a.Email, Template: template, Data: data}
	if life > 0 {
		m.Expires = s.now().Add(life)
	}
	if err := s.Mail.Send(ctx, m); err != nil {
		return fmt.Errorf("queue mail %s for account %s: %w", template, a.ID, err)
	}
	return nil
}

// notify is send where nobody can do anything about a mail that did not go out.
func (s *Service) notify(ctx context.Context, a *Account, template string, data any) {
	if err := s.send(ctx, a, template, data, 0); err != nil {
		s.log().ErrorContext(ctx, "mail not sent", "error", err, "reference", audit.OriginOf(ctx).Reference)
	}
}

// clockTime writes a moment for people anywhere.
func clockTime(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// Lifetime writes a duration for people, in its largest fitting unit, so that a page and the mail it announces say the same.
func Lifetime(d time.Duration) string {
	unit := func(n time.Duration, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return unit(d/(24*time.Hour), "day")
	case d >= time.Hour && d%time.Hour == 0:
		return unit(d/time.Hour, "hour")
	case d >= time.Minute:
		return unit(d/time.Minute, "minute")
	}
	return unit(d/time.Second, "second")
}
