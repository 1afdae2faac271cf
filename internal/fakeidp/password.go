package fakeidp

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// minPassword is the shortest password that people may choose here.
const minPassword = 8

// passwordPage serves the reset and the change of a password.
type passwordPage struct {
	Request string // the authorization request to go back to; may be empty
	Back    string // where "back to sign in" leads
	Email   string
	Code    string // what the phone shows
	Error   string
	Min     int
}

func (s *Server) passwordPage(r *http.Request) passwordPage {
	p := passwordPage{Request: r.FormValue("request"), Email: r.FormValue("email"), Back: s.base + "/", Min: minPassword}
	v, err := url.ParseQuery(p.Request)
	if err != nil {
		p.Request = ""
		return p
	}
	if q, fail := s.parseRequest(v); q == nil || fail != nil {
		p.Request = ""
	} else {
		p.Back = s.base + "/authorize?" + q.raw
	}
	return p
}

// forgot is the corporate password reset: whoever is sent here by the gateway must see that they arrived.
func (s *Server) forgot(w http.ResponseWriter, r *http.Request) {
	s.pages.show(w, http.StatusOK, "forgot", "Reset your password", "", s.passwordPage(r))
}

func (s *Server) forgotFind(w http.ResponseWriter, r *http.Request) {
	p := s.passwordPage(r)
	u, ok := s.userNamed(p.Email)
	if !ok {
		p.Error = "Nobody at " + s.cfg.Name + " has this e-mail address."
		s.pages.show(w, http.StatusUnprocessableEntity, "forgot", "Reset your password", "", p)
		return
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		s.pages.refuse(w, http.StatusInternalServerError, "Something went wrong. Try again.")
		return
	}
	p.Code, p.Email = fmt.Sprintf("%06d", n), u.Email
	s.mu.Lock()
	s.resets[u.Subject] = p.Code
	s.mu.Unlock()
	s.pages.show(w, http.StatusOK, "forgot_set", "Reset your password", "", p)
}

func (s *Server) forgotSet(w http.ResponseWriter, r *http.Request) {
	p := s.passwordPage(r)
	u, ok := s.userNamed(p.Email)
	if !ok {
		s.forgot(w, r)
		return
	}
	s.mu.Lock()
	p.Code = s.resets[u.Subject]
	s.mu.Unlock()
	p.Error = problemWith(r)
	if typed := strings.TrimSpace(r.PostFormValue("code")); p.Code == "" || typed != p.Code {
		p.Error = "That is not the code from the phone."
	}
	if p.Error != "" {
		s.pages.show(w, http.StatusUnprocessableEntity, "forgot_set", "Reset your password", "", p)
		return
	}
	s.setPassword(u.Subject, r.PostFormValue("password"))
	s.pages.show(w, http.StatusOK, "password_done", "Password changed", "", p)
}

// change is the page for people who know their password.
func (s *Server) change(w http.ResponseWriter, r *http.Request) {
	p := s.passwordPage(r)
	if ss := s.session(r); ss != nil && p.Email == "" {
		if u, ok := s.userWithSubject(ss.subject); ok {
			p.Email = u.Email
		}
	}
	s.pages.show(w, http.StatusOK, "change", "Change your password", "", p)
}

func (s *Server) changeSet(w http.ResponseWriter, r *http.Request) {
	p := s.passwordPage(r)
	u, problem := s.check(p.Email, r.PostFormValue("current_password"))
	if problem == "" {
		problem = problemWith(r)
	}
	if problem != "" {
		p.Error = problem
		s.pages.show(w, http.StatusUnprocessableEntity, "change", "Change your password", "", p)
		return
	}
	s.setPassword(u.Subject, r.PostFormValue("password"))
	s.pages.show(w, http.StatusOK, "password_done", "Password changed", "", p)
}

// wellKnownChange is https://w3c.github.io/webappsec-change-password-url/.
func (s *Server) wellKnownChange(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", s.base+"/change-password")
	w.WriteHeader(http.StatusSeeOther)
}

// problemWith returns what is wrong with the new password of a form; empty for a good one.
func problemWith(r *http.Request) string {
	password := r.PostFormValue("password")
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return fmt.Sprintf("The new password needs at least %d characters.", minPassword)
	case password != r.PostFormValue("password_confirm"):
		return "The two new passwords differ."
	}
	return ""
}

// setPassword changes it and ends every session, so that whoever knew the old one is out.
func (s *Server) setPassword(subject, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.resets, subject)
	if i := slices.IndexFunc(s.users, func(u User) bool { return u.Subject == subject }); i >= 0 {
		s.users[i].Password = password
	}
	s.revoke(subject)
}
