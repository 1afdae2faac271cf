package account

import (
	"context"
	"fmt"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/throttle"
)

// warnBefore is how long before a password runs out the person is told; for passwords that live for days, half of their life.
const warnBefore = 10 * 24 * time.Hour

// expires returns when a password must be changed, zero for never.
func (s *Service) expires(p Password) time.Time {
	if s.Config.Password.MaxAge <= 0 || p.ChangedAt.IsZero() {
		return time.Time{}
	}
	return p.ChangedAt.Add(s.Config.Password.MaxAge)
}

func (s *Service) tooOld(p Password) bool {
	end := s.expires(p)
	return !end.IsZero() && !s.now().Before(end)
}

// mustChange says that the password was right and has had its time.
func mustChange(age time.Duration) error {
	sentence := fmt.Sprintf("Your password is older than %s. Please choose a new one before you go on.", Lifetime(age))
	err := fault.New(fault.Forbidden, sentence).WithReason(refusedExpired).WithNext(fault.Next{Label: "Choose a new password", Path: "/reset"})
	return &identity.MustChange{Here: true, Expired: true, Err: err}
}

// warnOfAge mails somebody who has just signed in with a password that soon runs out, once for each password.
func (s *Service) warnOfAge(ctx context.Context, a *Account) {
	end, now := a.PasswordExpires, s.now()
	if end.IsZero() || now.Before(end.Add(-min(warnBefore, s.Config.Password.MaxAge/2))) {
		return
	}
	s.later(ctx, "mail about a password's age", func(ctx context.Context) {
		once := throttle.Lockout{Store: s.Lockout.Store, Now: s.now,
			Config: throttle.Config{Failures: 1, Window: 2 * warnBefore, Duration: 2 * warnBefore}}
		first, _, err := once.Begin(ctx, throttle.Key("age-mail", a.ID+" "+end.UTC().Format(time.RFC3339)))
		if err != nil {
			s.log().ErrorContext(ctx, "password's age not told", "account", a.ID, "error", err)
			return
		}
		if first {
			s.notify(ctx, a, mailPasswordExpires, PasswordExpiresMail{About: s.about(ctx, a, ""), Until: clockTime(end),
				Left: Lifetime(max(end.Sub(now).Truncate(24*time.Hour), 24*time.Hour)), CanReset: s.Config.Reset.Enabled})
		}
	})
}
