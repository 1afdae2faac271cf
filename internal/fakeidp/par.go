package fakeidp

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// pushedPrefix begins the names that PAR gives out (RFC 9126 section 2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// pushedLifetime is how long a pushed request waits for its browser.
const pushedLifetime = time.Minute

// pushed is an authorization request that came ahead of its browser.
type pushed struct {
	params  url.Values
	expires time.Time
}

// par is the pushed authorization request endpoint (RFC 9126 section 2).
func (s *Server) par(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		writeTokenError(w, http.StatusBadRequest, "invalid_request")
		return
	}
	f := s.faults.Load()
	if f.meet(f.PAR, w, r) {
		return
	}
	c, _, ok := s.authenticateClient(r)
	if !ok {
		writeTokenError(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	v := url.Values{}
	for name, values := range r.PostForm {
		if name != "client_secret" && !strings.HasPrefix(name, "client_assertion") {
			v[name] = values
		}
	}
	// RFC 9126 section 2.1: the parameters of the request are all there, client_id too, however the client has proved itself.
	if q, fail := s.parseRequest(v); q == nil || fail != nil || q.client.ID != c.ID {
		writeTokenError(w, http.StatusBadRequest, "invalid_request")
		return
	}
	name := pushedPrefix + randomHex(16)
	s.mu.Lock()
	s.pushed[name] = pushed{params: v, expires: s.now().Add(pushedLifetime)}
	s.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": name, "expires_in": int(pushedLifetime.Seconds())})
}

// unpush replaces the name of a pushed request by the request, once.
func (s *Server) unpush(v url.Values) (url.Values, bool) {
	name := v.Get("request_uri")
	if name == "" {
		return v, !s.cfg.RequirePAR
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pushed[name]
	if !ok || !s.now().Before(p.expires) || p.params.Get("client_id") != v.Get("client_id") {
		return v, false
	}
	delete(s.pushed, name)
	return p.params, true
}
