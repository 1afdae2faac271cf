package fakeidp

import (
	"net/http"
	"net/url"
	"slices"
)

// signInPage is the form for e-mail and password.
type signInPage struct {
	Client  string
	Request string
	Email   string
	Error   string
	Hint    string
	Forgot  string
}

// choicePage offers the account that is signed in already.
type choicePage struct {
	Client  string
	Request string
	Name    string
	Email   string
	Initial string
	Other   string
}

// homePage is what the provider shows without an application.
type homePage struct {
	Name  string
	First string
	Email string
}

func (s *Server) showSignIn(w http.ResponseWriter, q *authRequest, status int, p signInPage) {
	p.Client, p.Request, p.Hint = q.client.Name, q.raw, s.cfg.Hint
	p.Forgot = s.base + "/forgot?" + url.Values{"request": {q.raw}, "email": {p.Email}}.Encode()
	s.pages.show(w, status, "sign_in", "Sign in", q.redirectURI, p)
}

func (s *Server) showChoice(w http.ResponseWriter, q *authRequest, ss *session) {
	u, _ := s.userWithSubject(ss.subject)
	s.pages.show(w, http.StatusOK, "choose", "Choose an account", q.redirectURI, choicePage{
		Client: q.client.Name, Request: q.raw, Name: u.Name, Email: u.Email, Initial: initial(u.Name + u.Email),
		Other: s.base + "/authorize?" + withPrompt(q.raw, "login"),
	})
}

// withPrompt replaces the prompt, and drops the hint that would fill in the account that is not wanted.
func withPrompt(raw, prompt string) string {
	v, err := url.ParseQuery(raw)
	if err != nil {
		return raw
	}
	v.Set("prompt", prompt)
	v.Del("login_hint")
	return v.Encode()
}

// formRequest reads the authorization request that a form of ours carries. It answers by itself, and returns nil, where
// there is no good one.
func (s *Server) formRequest(w http.ResponseWriter, r *http.Request) *authRequest {
	v, err := url.ParseQuery(r.PostFormValue("request"))
	if err != nil {
		s.pages.refuse(w, http.StatusBadRequest, "The form cannot be read. Go back to the application and start again.")
		return nil
	}
	q, fail := s.parseRequest(v)
	if q == nil || fail != nil {
		s.pages.refuse(w, http.StatusBadRequest, "The sign-in cannot go on. Go back to the application and start again.")
		return nil
	}
	return q
}

// signIn takes the form.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	q := s.formRequest(w, r)
	if q == nil {
		return
	}
	email := r.PostFormValue("email")
	u, problem := s.check(email, r.PostFormValue("password"))
	if problem != "" {
		s.showSignIn(w, q, http.StatusUnauthorized, signInPage{Email: email, Error: problem})
		return
	}
	s.grantTo(w, q, s.startSession(w, r, u))
}

// choose goes on with the account that is signed in.
func (s *Server) choose(w http.ResponseWriter, r *http.Request) {
	q := s.formRequest(w, r)
	if q == nil {
		return
	}
	// The choice is made; whatever else the request demands still holds.
	q.prompt = slices.DeleteFunc(q.prompt, func(p string) bool { return p == "select_account" })
	q.loginHint = ""
	ss := s.session(r)
	if s.whyAsk(q, ss) != "" {
		s.showSignIn(w, q, http.StatusOK, signInPage{})
		return
	}
	s.grantTo(w, q, ss)
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	var p homePage
	if ss := s.session(r); ss != nil {
		if u, ok := s.userWithSubject(ss.subject); ok {
			p = homePage{Name: u.Name, First: firstName(u), Email: u.Email}
		}
	}
	s.pages.show(w, http.StatusOK, "home", s.cfg.Name+" account", "", p)
}
