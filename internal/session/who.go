package session

import (
	"slices"

	"crmgate/internal/policy"
)

// Who is who the session belongs to, as access rules see them; nil is nobody. Address and At are the request's to fill in.
func (s *Session) Who() policy.Subject {
	if s == nil {
		return policy.Subject{}
	}
	sub := policy.Subject{SignedIn: true, Email: s.Email, Groups: s.Groups, Provider: s.Provider, FactorAt: s.FactorAt}
	if s.EmailDoubtful {
		sub.Email = "" // whoever may type any address at a provider must not pass as somebody else
	}
	// A provider that says so has seen a second factor when the person signed in there (RFC 8176).
	if s.AuthTime.After(sub.FactorAt) && slices.Contains(s.AMR, "mfa") {
		sub.FactorAt = s.AuthTime
	}
	return sub
}
