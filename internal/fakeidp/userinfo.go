package fakeidp

import (
	"io"
	"net/http"
	"strings"
)

// userinfo is OpenID Connect Core section 5.3.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	f := s.faults.Load()
	if f.meet(f.Userinfo, w, r) {
		return
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	g := s.accesses[token]
	if g != nil && (g.family.revoked || !s.now().Before(g.expires)) {
		g = nil
	}
	s.mu.Unlock()
	if !ok || g == nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	u, ok := s.userWithSubject(g.subject)
	if !ok {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	body := finish(s.personClaims(u, g.scope), nil, f.Userinfo)
	c, _ := s.client(g.clientID)
	if !c.SignedUserinfo {
		writeJSON(w, http.StatusOK, finish(body, f.EditUserinfo, Trouble{}))
		return
	}
	body["iss"], body["aud"] = s.cfg.Issuer, c.ID
	how := f.Faults
	how.Signing = f.UserinfoSigning
	signed, err := s.issue(how, c, "JWT", finish(body, f.EditUserinfo, Trouble{}))
	if err != nil {
		http.Error(w, "The answer cannot be signed.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	// The client may leave; nobody waits for the result.
	_, _ = io.WriteString(w, signed)
}
