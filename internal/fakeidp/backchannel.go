package fakeidp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// LogoutEvent is the member of "events" that makes a token a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.4).
const LogoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// LogoutToken signs a logout token for a client, about a session, a person or both. The edit may be nil; the faults'
// Signing applies.
func (s *Server) LogoutToken(clientID, subject, sid string, edit func(map[string]any)) (string, error) {
	c, ok := s.client(clientID)
	if !ok {
		return "", fmt.Errorf("make logout token: no client %q", clientID)
	}
	now := s.now()
	claims := map[string]any{
		"iss": s.cfg.Issuer, "aud": c.ID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": randomHex(16),
		"events": map[string]any{LogoutEvent: map[string]any{}},
	}
	if subject != "" {
		claims["sub"] = subject
	}
	if sid != "" {
		claims["sid"] = sid
	}
	if edit != nil {
		edit(claims)
	}
	return s.issue(s.faults.Load().Faults, c, "logout+jwt", claims)
}

// SendLogout posts a logout token to an address and returns the status of the answer.
func SendLogout(ctx context.Context, address, token string) (int, error) {
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, body)
	if err != nil {
		return 0, fmt.Errorf("send logout token: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("send logout token: %w", err)
	}
	defer res.Body.Close()
	// Read so that the connection can be used again; what it says does not matter.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
	return res.StatusCode, nil
}

// tellClients sends logout tokens about an ended session. A client that does not answer must not keep the person from
// leaving, so the wait is short and its fault is dropped.
func (s *Server) tellClients(ctx context.Context, ss *session, clients []Client) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, c := range clients {
		if c.BackchannelLogoutURI == "" {
			continue
		}
		if token, err := s.LogoutToken(c.ID, ss.subject, ss.id, nil); err == nil {
			_, _ = SendLogout(ctx, c.BackchannelLogoutURI, token)
		}
	}
}
