package fakeidp

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"time"
)

// grant is what a code, an access token or a refresh token stands for.
type grant struct {
	clientID, redirectURI, subject, sid, nonce, challenge string
	scope                                                 []string
	authTime, expires                                     time.Time
	// used is set by the first exchange; the second one revokes the family (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2).
	used   bool
	family *family
}

// family is everything that came from one authorization code.
type family struct{ revoked bool }

// token is the token endpoint (RFC 6749 section 3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		writeTokenError(w, http.StatusBadRequest, "invalid_request")
		return
	}
	req := TokenRequest{
		GrantType: r.PostFormValue("grant_type"), Code: r.PostFormValue("code"),
		Verifier: r.PostFormValue("code_verifier"), RefreshToken: r.PostFormValue("refresh_token"),
		Assertion: r.PostFormValue("client_assertion"),
	}
	f := s.faults.Load()
	c, how, authenticated := s.authenticateClient(r)
	req.ClientID, req.Auth = c.ID, how
	n := s.record(req)
	if f.meet(f.Token, w, r) {
		s.recordError(n, "trouble")
		return
	}
	status, body := http.StatusUnauthorized, map[string]any{"error": "invalid_client"}
	if authenticated {
		var application bool
		if status, body, application = s.applicationToken(req, r.PostFormValue("scope")); !application {
			status, body = s.exchange(c, req, r.PostFormValue("redirect_uri"), f.Faults)
		}
	}
	if code, ok := body["error"].(string); ok {
		s.recordError(n, code)
		if status == http.StatusUnauthorized && how == authBasic {
			w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
		}
		writeTokenError(w, status, code)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, finish(body, f.EditToken, f.Token))
}

func (s *Server) record(req TokenRequest) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, req)
	return len(s.requests) - 1
}

func (s *Server) recordError(n int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[n].Error = code
}

func writeTokenError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, map[string]any{"error": code})
}

func tokenError(code string) (int, map[string]any) {
	return http.StatusBadRequest, map[string]any{"error": code}
}

// exchange redeems a code or a refresh token.
func (s *Server) exchange(c Client, req TokenRequest, redirectURI string, f Faults) (int, map[string]any) {
	var g *grant
	switch req.GrantType {
	case "authorization_code":
		g = s.redeem(s.codes, req.Code, c.ID)
		if g == nil || g.redirectURI != redirectURI || !challengeMet(g.challenge, req.Verifier) {
			return tokenError("invalid_grant")
		}
	case "refresh_token":
		g = s.redeem(s.refreshes, req.RefreshToken, c.ID)
		if g == nil {
			return tokenError("invalid_grant")
		}
		g.nonce = "" // belongs to the sign-in, not to what follows (OpenID Connect Core section 12.2)
	default:
		return tokenError("unsupported_grant_type")
	}
	u, ok := s.userWithSubject(g.subject)
	if !ok || u.Disabled {
		return tokenError("invalid_grant")
	}
	body, err := s.tokens(c, u, *g, f)
	if err != nil {
		return http.StatusInternalServerError, map[string]any{"error": "server_error"}
	}
	return http.StatusOK, body
}

// redeem uses up a code or refresh token and returns a copy of its grant, nil where it is not good for that client.
func (s *Server) redeem(from map[string]*grant, value, clientID string) *grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := from[value]
	switch {
	case g == nil || g.clientID != clientID:
		return nil
	case g.used:
		g.family.revoked = true
		return nil
	}
	g.used = true
	if g.family.revoked || !s.now().Before(g.expires) {
		return nil
	}
	c := *g
	return &c
}

// challengeMet is RFC 7636 section 4.6 with S256.
func challengeMet(challenge, verifier string) bool {
	d := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(b64.EncodeToString(d[:])), []byte(challenge)) == 1
}

// tokens issues everything that a grant gives.
func (s *Server) tokens(c Client, u User, g grant, f Faults) (map[string]any, error) {
	now := s.now()
	access := randomHex(24)
	claims := s.idClaims(c, u, g, access)
	s.vendorClaims(claims)
	if f.EditIDToken != nil {
		f.EditIDToken(claims)
	}
	idToken, err := s.issue(f, c, "JWT", claims)
	if err != nil {
		return nil, err
	}
	body := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int64(s.cfg.Lifetime.Seconds()), "id_token": idToken,
	}
	g.used = false
	s.mu.Lock()
	defer s.mu.Unlock()
	a := g
	a.expires = now.Add(s.cfg.Lifetime)
	s.accesses[access] = &a
	if s.cfg.AlwaysRefresh || slices.Contains(g.scope, "offline_access") {
		refresh := randomHex(24)
		b := g
		b.expires = now.Add(sessionLifetime)
		s.refreshes[refresh] = &b
		body["refresh_token"] = refresh
	}
	return body, nil
}

// idClaims are the claims of an honest ID token (OpenID Connect Core section 2).
func (s *Server) idClaims(c Client, u User, g grant, access string) map[string]any {
	now := s.now()
	claims := s.personClaims(u, g.scope)
	claims["iss"] = s.cfg.Issuer
	claims["aud"] = c.ID
	claims["iat"] = now.Unix()
	claims["exp"] = now.Add(s.cfg.Lifetime).Unix()
	claims["auth_time"] = g.authTime.Unix()
	claims["sid"] = g.sid
	claims["at_hash"] = atHash(s.keys.current(c.Alg).alg, access)
	claims["amr"] = u.AMR
	if len(u.AMR) == 0 {
		claims["amr"] = []string{"pwd"}
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	return claims
}

// personClaims are the claims about a person that the scopes open. Groups need no scope, as at Entra ID, where an
// administrator decides about them.
func (s *Server) personClaims(u User, scope []string) map[string]any {
	claims := map[string]any{"sub": u.Subject}
	if slices.Contains(scope, "email") {
		claims["email"], claims["email_verified"] = u.Email, !u.EmailUnverified
	}
	if slices.Contains(scope, "profile") {
		claims["name"] = u.Name
		claims["preferred_username"] = u.Email
		if u.Username != "" {
			claims["preferred_username"] = u.Username
		}
	}
	if u.Groups != nil {
		claims["groups"] = u.Groups
	}
	for name, value := range u.Claims {
		claims[name] = value
	}
	return claims
}
