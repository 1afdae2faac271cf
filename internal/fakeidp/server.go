package fakeidp

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server is the provider. Everything on it is safe for concurrent use.
type Server struct {
	cfg    Config
	base   string // the issuer without a closing slash
	path   string // the path of base
	secure bool
	cookie string
	keys   *keyring
	guard  *http.CrossOriginProtection
	pages  *pages
	mux    *http.ServeMux
	faults atomic.Pointer[faultState]
	vendor atomic.Pointer[Vendor]

	mu      sync.Mutex // guards all below
	clients []Client
	users   []User
	// autoUser is signed in everywhere without being asked.
	autoUser string
	issued
	seen
}

// issued is what people and clients hold of the provider's.
type issued struct {
	sessions   map[string]*session // by the secret in the cookie
	codes      map[string]*grant
	refreshes  map[string]*grant
	accesses   map[string]*grant
	resets     map[string]string // subject -> the code on the page that plays the phone
	assertions map[string]bool   // ids of the client assertions seen
	pushed     map[string]pushed
}

// seen is what the provider was asked, for tests.
type seen struct {
	calls      map[string]int
	requests   []TokenRequest
	authorized url.Values // the last request that was in order
}

// The endpoints that Calls counts.
const (
	EndpointDiscovery = "discovery"
	EndpointAuthorize = "authorize"
	EndpointToken     = "token"
	EndpointPAR       = "par"
	EndpointUserinfo  = "userinfo"
	EndpointKeys      = "jwks"
	EndpointLogout    = "logout"
	// EndpointForeignKeys is where the "jku" of SignHeaderJKU points; no relying party may ever ask it.
	EndpointForeignKeys = "foreign-jwks"
)

// TokenRequest is what the token endpoint was asked, for tests that prove what a relying party sends and how often.
type TokenRequest struct {
	GrantType string
	ClientID  string
	// Auth is the client authentication method that was used.
	Auth string
	// Code, Verifier and RefreshToken are the parameters as sent.
	Code, Verifier, RefreshToken string
	// Assertion is the client assertion of private_key_jwt.
	Assertion string
	// Error is the error code of the answer; empty for an answer with tokens.
	Error string
}

// Issuer returns the issuer identifier.
func (s *Server) Issuer() string { return s.cfg.Issuer }

// Calls returns how often an endpoint was asked.
func (s *Server) Calls(endpoint string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[endpoint]
}

// TokenRequests returns what the token endpoint was asked, oldest first.
func (s *Server) TokenRequests() []TokenRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// LastRequest returns the parameters of the last authorization request that was in order, pushed ones included.
func (s *Server) LastRequest() url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.authorized)
}

// PutClient adds a client, or replaces the one of the same id.
func (s *Server) PutClient(c Client) error {
	if err := checkClient(c, s.cfg.Algs); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.clients {
		if s.clients[i].ID == c.ID {
			s.clients[i] = c
			return nil
		}
	}
	s.clients = append(s.clients, c)
	return nil
}

// UpdateUser changes a person, found by e-mail or user name. The next token shows the change.
func (s *Server) UpdateUser(name string, change func(*User)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.findUser(name)
	if i < 0 {
		return fmt.Errorf("update user: nobody is called %q", name)
	}
	u := s.users[i]
	u.Groups = slices.Clone(u.Groups)
	change(&u)
	s.users[i] = u
	return nil
}

// SignInAs answers every authorization request as that person without a page, as if they had just signed in; an empty
// name brings the page back. For tests.
func (s *Server) SignInAs(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.autoUser = name
}

// Revoke ends the sessions of a person at the provider and makes their refresh tokens worthless, as an administrator would.
// It sends no logout token.
func (s *Server) Revoke(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.findUser(name)
	if i < 0 {
		return fmt.Errorf("revoke: nobody is called %q", name)
	}
	s.revoke(s.users[i].Subject)
	return nil
}

// revoke drops what a subject holds; the lock is held.
func (s *Server) revoke(subject string) {
	for secret, ss := range s.sessions {
		if ss.subject == subject {
			delete(s.sessions, secret)
		}
	}
	for _, g := range s.refreshes {
		if g.subject == subject {
			g.family.revoked = true
		}
	}
}

// ServeHTTP answers everything below the issuer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.path == "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	if r.URL.Path != s.path && !strings.HasPrefix(r.URL.Path, s.path+"/") {
		http.NotFound(w, r)
		return
	}
	http.StripPrefix(s.path, s.mux).ServeHTTP(w, r)
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	// Called by relying parties.
	mux.HandleFunc("GET /.well-known/openid-configuration", s.count(EndpointDiscovery, s.discovery))
	mux.HandleFunc("GET /jwks", s.count(EndpointKeys, s.jwks))
	mux.HandleFunc("GET /foreign-jwks", s.count(EndpointForeignKeys, s.foreignKeys))
	mux.HandleFunc("POST /token", s.count(EndpointToken, s.token))
	mux.HandleFunc("POST /par", s.count(EndpointPAR, s.par))
	mux.HandleFunc("/userinfo", s.count(EndpointUserinfo, s.userinfo))
	s.vendorRoutes(mux)
	// Opened by browsers, from anywhere.
	mux.HandleFunc("/authorize", s.count(EndpointAuthorize, s.authorize))
	mux.HandleFunc("/logout", s.count(EndpointLogout, s.logout))
	// Opened by browsers, forms from our own pages only.
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /.well-known/change-password", s.wellKnownChange)
	mux.HandleFunc("GET /forgot", s.forgot)
	mux.HandleFunc("GET /change-password", s.change)
	for pattern, handle := range map[string]http.HandlerFunc{
		"POST /sign-in":         s.signIn,
		"POST /choose":          s.choose,
		"POST /sign-out":        s.signOut,
		"POST /forgot":          s.forgotFind,
		"POST /forgot/set":      s.forgotSet,
		"POST /change-password": s.changeSet,
	} {
		mux.Handle(pattern, s.guard.Handler(handle))
	}
	mux.HandleFunc("GET /style.css", s.pages.css)
	mux.HandleFunc("GET /icon.svg", s.pages.icon)
	mux.HandleFunc("GET /submit.js", s.pages.submitJS)
	return mux
}

func (s *Server) count(endpoint string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.calls[endpoint]++
		s.mu.Unlock()
		next(w, r)
	}
}

func (s *Server) now() time.Time { return s.cfg.Now() }

func (s *Server) client(id string) (Client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if c.ID == id {
			c.Name = cmp.Or(c.Name, c.ID)
			return c, true
		}
	}
	return Client{}, false
}

// findUser returns the index of the person with that e-mail or user name, or -1; the lock is held.
func (s *Server) findUser(name string) int {
	name = strings.TrimSpace(name)
	return slices.IndexFunc(s.users, func(u User) bool {
		return name != "" && (strings.EqualFold(u.Email, name) || strings.EqualFold(u.Username, name))
	})
}

func (s *Server) userNamed(name string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.findUser(name); i >= 0 {
		return s.users[i], true
	}
	return User{}, false
}

func (s *Server) userWithSubject(subject string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if u.Subject == subject {
			return u, true
		}
	}
	return User{}, false
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The status is out; a client that left is no news.
	_ = json.NewEncoder(w).Encode(body)
}
