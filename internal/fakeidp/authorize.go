package fakeidp

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The response modes.
const (
	modeQuery    = "query"
	modeFormPost = "form_post"
)

// authRequest is an authorization request (OpenID Connect Core section 3.1.2.1) that names a known client and one of its
// redirect URIs.
type authRequest struct {
	// raw is the request as a query; it travels through our own forms and is parsed and checked anew each time.
	raw         string
	client      Client
	redirectURI string
	mode        string
	state       string
	nonce       string
	scope       []string
	challenge   string
	prompt      []string
	maxAge      time.Duration // -1 where it was not asked for
	loginHint   string
	idTokenHint string
}

// authError is a request that cannot be granted. Without a request to answer it is shown to the person instead.
type authError struct {
	code, description string
}

// parseRequest checks a request. It returns a nil request where it is not certain whom an answer would reach, and an error
// that may be sent to the client where it is.
func (s *Server) parseRequest(v url.Values) (*authRequest, *authError) {
	c, ok := s.client(v.Get("client_id"))
	if !ok {
		return nil, &authError{"invalid_client", "The application is not known here."}
	}
	if len(v["client_id"]) != 1 || len(v["redirect_uri"]) != 1 || !slices.Contains(c.RedirectURIs, v.Get("redirect_uri")) {
		return nil, &authError{"invalid_request", "The address to return to is not registered for " + c.Name + "."}
	}
	q := &authRequest{
		raw: v.Encode(), client: c, redirectURI: v.Get("redirect_uri"), mode: modeQuery,
		state: v.Get("state"), nonce: v.Get("nonce"), challenge: v.Get("code_challenge"),
		scope: strings.Fields(v.Get("scope")), prompt: strings.Fields(v.Get("prompt")), maxAge: -1,
		loginHint: strings.TrimSpace(v.Get("login_hint")), idTokenHint: v.Get("id_token_hint"),
	}
	if v.Get("response_mode") == modeFormPost {
		q.mode = modeFormPost
	}
	return q, q.check(v)
}

func (q *authRequest) check(v url.Values) *authError {
	for name, values := range v {
		if len(values) > 1 {
			return &authError{"invalid_request", "The parameter " + name + " comes more than once."}
		}
	}
	if age := v.Get("max_age"); age != "" {
		n, err := strconv.Atoi(age)
		if err != nil || n < 0 {
			return &authError{"invalid_request", "max_age is not a number of seconds."}
		}
		q.maxAge = time.Duration(n) * time.Second
	}
	switch {
	case v.Has("request"):
		return &authError{"request_not_supported", "Request objects are not supported."}
	case v.Has("request_uri"):
		return &authError{"request_uri_not_supported", "Pushed and referenced requests are not supported."}
	case v.Get("response_type") != "code":
		return &authError{"unsupported_response_type", "Only response_type=code is supported."}
	case v.Has("response_mode") && v.Get("response_mode") != modeQuery && v.Get("response_mode") != modeFormPost:
		return &authError{"invalid_request", "The response mode is not supported."}
	case !slices.Contains(q.scope, "openid"):
		return &authError{"invalid_scope", "The scope openid is missing."}
	case v.Get("code_challenge_method") != "S256" || len(q.challenge) != 43:
		return &authError{"invalid_request", "PKCE with the method S256 is required."}
	case slices.Contains(q.prompt, "none") && len(q.prompt) > 1:
		return &authError{"invalid_request", "prompt=none cannot be combined."}
	}
	return nil
}

// authorize is the authorization endpoint: a good session answers at once, everything else shows a page.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "The request cannot be read.", http.StatusBadRequest)
			return
		}
		v = r.PostForm
	}
	v, ok := s.unpush(v)
	if !ok {
		s.pages.refuse(w, http.StatusBadRequest, "The request was not pushed ahead, or too long ago.")
		return
	}
	q, fail := s.parseRequest(v)
	if q == nil {
		s.pages.refuse(w, http.StatusBadRequest, fail.description)
		return
	}
	if fail != nil {
		s.respond(w, q, fail.values())
		return
	}
	s.mu.Lock()
	s.authorized = v
	s.mu.Unlock()
	if u, ok := s.automatic(q); ok {
		s.grantTo(w, q, s.startSession(w, r, u))
		return
	}
	ss := s.session(r)
	reason := s.whyAsk(q, ss)
	switch {
	case reason == "":
		s.grantTo(w, q, ss)
	case slices.Contains(q.prompt, "none"):
		s.respond(w, q, (&authError{reason, "Nobody could be signed in without a page."}).values())
	case reason == "account_selection_required":
		s.showChoice(w, q, ss)
	default:
		s.showSignIn(w, q, http.StatusOK, signInPage{Email: q.loginHint})
	}
}

// automatic returns the person who is signed in without a page, for tests.
func (s *Server) automatic(q *authRequest) (User, bool) {
	s.mu.Lock()
	name := s.autoUser
	s.mu.Unlock()
	if rest, ok := strings.CutPrefix(q.loginHint, "auto:"); ok && s.cfg.AutoLogin {
		name = rest
	}
	u, ok := s.userNamed(name)
	return u, ok && !u.Disabled
}

// whyAsk returns the error code of prompt=none for the reason why the session does not answer the request; empty where it does.
func (s *Server) whyAsk(q *authRequest, ss *session) string {
	if ss == nil || slices.Contains(q.prompt, "login") {
		return "login_required"
	}
	u, ok := s.userWithSubject(ss.subject)
	switch {
	case !ok || u.Disabled:
		return "login_required"
	case slices.Contains(q.prompt, "select_account"):
		return "account_selection_required"
	case q.maxAge >= 0 && s.now().Sub(ss.authTime) >= q.maxAge:
		return "login_required"
	case q.loginHint != "" && !strings.EqualFold(q.loginHint, u.Email) && !strings.EqualFold(q.loginHint, u.Username):
		return "login_required"
	}
	if q.idTokenHint != "" {
		claims, err := s.hint(q.idTokenHint)
		if err != nil || claims["sub"] != ss.subject {
			return "login_required"
		}
	}
	return ""
}

// grantTo answers the request with a code for the session.
func (s *Server) grantTo(w http.ResponseWriter, q *authRequest, ss *session) {
	u, _ := s.userWithSubject(ss.subject)
	code := randomHex(24)
	s.mu.Lock()
	ss.clients[q.client.ID] = true
	s.codes[code] = &grant{
		clientID: q.client.ID, redirectURI: q.redirectURI, subject: u.Subject, sid: ss.id, nonce: q.nonce,
		scope: q.scope, challenge: q.challenge, authTime: ss.authTime, expires: s.now().Add(codeLifetime), family: &family{},
	}
	s.mu.Unlock()
	s.respond(w, q, url.Values{"code": {code}})
}

func (e *authError) values() url.Values {
	return url.Values{"error": {e.code}, "error_description": {e.description}}
}

// respond sends an authorization response, with state and the issuer (RFC 9207).
func (s *Server) respond(w http.ResponseWriter, q *authRequest, v url.Values) {
	v.Set("iss", s.cfg.Issuer)
	if q.state != "" {
		v.Set("state", q.state)
	}
	if f := s.faults.Load(); f.EditResponse != nil {
		f.EditResponse(v)
	}
	w.Header().Set("Cache-Control", "no-store")
	if q.mode == modeFormPost {
		s.pages.formPost(w, q.redirectURI, v)
		return
	}
	w.Header().Set("Location", withQuery(q.redirectURI, v))
	w.WriteHeader(http.StatusSeeOther)
}

func withQuery(address string, v url.Values) string {
	if len(v) == 0 {
		return address
	}
	if strings.Contains(address, "?") {
		return address + "&" + v.Encode()
	}
	return address + "?" + v.Encode()
}
