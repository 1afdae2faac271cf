package signin

import (
	"fmt"
	"strings"

	"crmgate/internal/identity"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

// noGrant in Session.Grant says that the provider was asked and gave nothing to ask with. Empty may still mean a directory, which is asked
// by name.
const noGrant = "-"

// keep puts into a new session what the provider is asked with later, sealed. Without a sealer nothing is kept.
func (f *Flow) keep(s *session.Session, id identity.Identity) {
	s.PasswordExpires, s.PasswordChangeURL = moment(id.PasswordExpires), id.PasswordChangeURL
	if f.Sealer == nil {
		return
	}
	if id.RefreshToken != "" {
		s.Grant = sealGrant(f.Sealer, s, id.RefreshToken)
	}
	if id.IDToken != "" {
		s.IDToken = sealIDToken(f.Sealer, s, id.IDToken)
	}
}

// purpose binds what is sealed to the person at the provider: what stands in one person's session opens in no other's.
func purpose(what string, s *session.Session) string {
	return strings.Join([]string{what, s.AccountID, s.Provider, s.Issuer, s.Subject}, "\x00")
}

func sealGrant(by *token.Sealer, s *session.Session, refreshToken string) string {
	return by.Seal(purpose("refresh_token", s), []byte(refreshToken))
}

// openGrant returns what a provider is asked with about a session.
func openGrant(by *token.Sealer, s *session.Session) (identity.Grant, error) {
	g := identity.Grant{Issuer: s.Issuer, Subject: s.Subject}
	if s.Grant == "" || s.Grant == noGrant {
		return g, nil
	}
	plain, err := by.Open(purpose("refresh_token", s), s.Grant)
	if err != nil {
		return g, fmt.Errorf("open refresh token: %w", err)
	}
	g.RefreshToken = string(plain)
	return g, nil
}

func sealIDToken(by *token.Sealer, s *session.Session, raw string) string {
	return by.Seal(purpose("id_token", s), []byte(raw))
}

// openIDToken returns the ID token of a session, "" where there is none that can be read: it is only a hint.
func openIDToken(by *token.Sealer, s *session.Session) string {
	if by == nil || s.IDToken == "" {
		return ""
	}
	plain, err := by.Open(purpose("id_token", s), s.IDToken)
	if err != nil {
		return ""
	}
	return string(plain)
}
