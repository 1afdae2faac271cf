package web

import (
	"cmp"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/identity"
	"crmgate/internal/session"
)

// passwordNotice is how long before its end a company password is talked about.
const passwordNotice = 14 * 24 * time.Hour

// passwordEnd is what the part "password-expiry" shows.
type passwordEnd struct {
	// Provider is empty for a password of ours.
	Provider string
	// Days are whole days that are left.
	Days int
	// URL is where the password is changed; may be empty.
	URL string
}

// passwordEnd returns what to say about the end of a session's company password, nil for nothing: it is not known, far away, or over.
func (h *Site) passwordEnd(s *session.Session) *passwordEnd {
	if s == nil || s.PasswordExpires.IsZero() {
		return nil
	}
	left := s.PasswordExpires.Sub(h.now())
	if left <= 0 || left > passwordNotice {
		return nil
	}
	days := int(left / (24 * time.Hour))
	if s.Provider == account.OwnerLocal {
		return &passwordEnd{Days: days, URL: h.localChangeURL()}
	}
	info, ok := h.provider(s)
	if !ok {
		return nil
	}
	return &passwordEnd{Provider: info.Name, Days: days, URL: h.passwordURL(s, info)}
}

// passwordURL returns where the company password of a session is changed: here where that is possible, else where the provider said it is for
// this person, else what is known of the provider. May be empty.
func (h *Site) passwordURL(s *session.Session, info identity.Info) string {
	if info.Password.ChangeHere {
		return h.changeURL(info)
	}
	return cmp.Or(s.PasswordChangeURL, info.Password.ChangeURL, info.Password.ResetURL)
}
