package fakeidp

import (
	"fmt"
	"time"
)

// AccessToken signs an access token (RFC 9068) that a client got for a person, or for itself where subject is its id. The edit may be nil;
// the faults' Signing applies.
func (s *Server) AccessToken(clientID, subject, audience string, edit func(map[string]any)) (string, error) {
	c, ok := s.client(clientID)
	if !ok {
		return "", fmt.Errorf("make access token: no client %q", clientID)
	}
	now := s.now()
	claims := map[string]any{
		"iss": s.cfg.Issuer, "aud": audience, "sub": subject, "client_id": c.ID, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(), "jti": randomHex(16),
	}
	if u, ok := s.userWithSubject(subject); ok {
		claims["groups"] = u.Groups
	}
	if edit != nil {
		edit(claims)
	}
	return s.issue(s.faults.Load().Faults, c, "at+jwt", claims)
}
