package fakeidp

import (
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
	writeJSON(w, http.StatusOK, finish(s.personClaims(u, g.scope), f.EditUserinfo, f.Userinfo))
}
