package fakeidp

import (
	"net/http"
	"strings"
	"time"
)

// session is one browser signed in at the provider. Its clients are guarded by the server's lock; the rest never changes.
type session struct {
	id       string // the "sid" claim
	subject  string
	authTime time.Time
	expires  time.Time
	clients  map[string]bool
}

func (s *Server) session(r *http.Request) *session {
	c, err := r.Cookie(s.cookie)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ss := s.sessions[c.Value]
	if ss == nil || !s.now().Before(ss.expires) {
		return nil
	}
	return ss
}

// startSession signs the browser in as u, in place of whoever was before.
func (s *Server) startSession(w http.ResponseWriter, r *http.Request, u User) *session {
	secret, now := randomHex(24), s.now()
	ss := &session{id: randomHex(12), subject: u.Subject, authTime: now, expires: now.Add(sessionLifetime), clients: map[string]bool{}}
	s.mu.Lock()
	if c, err := r.Cookie(s.cookie); err == nil {
		// The same person who proves themselves again stays in the same session, so that a later sign-out ends it everywhere.
		if old := s.sessions[c.Value]; old != nil && old.subject == u.Subject {
			ss.id, ss.clients = old.id, old.clients
		}
		delete(s.sessions, c.Value)
	}
	s.sessions[secret] = ss
	s.mu.Unlock()
	http.SetCookie(w, s.newCookie(secret, int(sessionLifetime.Seconds())))
	return ss
}

// endSession signs the browser out and makes the refresh tokens of that session worthless. It returns the clients that
// took part.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) (*session, []Client) {
	c, err := r.Cookie(s.cookie)
	if err != nil {
		return nil, nil
	}
	http.SetCookie(w, s.newCookie("", -1))
	s.mu.Lock()
	defer s.mu.Unlock()
	ss := s.sessions[c.Value]
	if ss == nil {
		return nil, nil
	}
	delete(s.sessions, c.Value)
	for _, g := range s.refreshes {
		if g.sid == ss.id {
			g.family.revoked = true
		}
	}
	var took []Client
	for _, c := range s.clients {
		if ss.clients[c.ID] {
			took = append(took, c)
		}
	}
	return ss, took
}

func (s *Server) newCookie(value string, maxAge int) *http.Cookie {
	path := s.path
	if path == "" {
		path = "/"
	}
	return &http.Cookie{Name: s.cookie, Value: value, Path: path, MaxAge: maxAge, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode}
}

// check returns the person with that name and password, or the sentence to show.
func (s *Server) check(name, password string) (User, string) {
	u, ok := s.userNamed(name)
	switch {
	case !ok || password == "" || u.Password != password:
		return User{}, "That e-mail address and password do not belong together."
	case u.Disabled:
		return User{}, "This account is disabled. Ask your IT help desk."
	}
	return u, ""
}

// firstName is what the pages call a person.
func firstName(u User) string {
	if name, _, _ := strings.Cut(u.Name, " "); name != "" {
		return name
	}
	return u.Email
}
