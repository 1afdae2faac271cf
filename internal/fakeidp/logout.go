package fakeidp

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// logoutPage asks, or says that it is done.
type logoutPage struct {
	First   string
	Client  string
	Return  string // where the browser goes on to
	Request string // the logout request, for the form
}

// logoutRequest is OpenID Connect RP-Initiated Logout 1.0 section 2, as far as it can be believed.
type logoutRequest struct {
	client    Client
	returnURI string // registered for the client, with state; else empty
	subject   string // from a good hint
}

func (s *Server) parseLogout(v url.Values) logoutRequest {
	var q logoutRequest
	id := v.Get("client_id")
	if claims, err := s.hint(v.Get("id_token_hint")); err == nil {
		q.subject, _ = claims["sub"].(string)
		if aud, ok := claims["aud"].(string); ok {
			if id != "" && id != aud {
				return logoutRequest{}
			}
			id = aud
		}
	}
	q.client, _ = s.client(id)
	if uri := v.Get("post_logout_redirect_uri"); slices.Contains(q.client.PostLogoutRedirectURIs, uri) {
		q.returnURI = uri
		if state := v.Get("state"); state != "" {
			q.returnURI = withQuery(uri, url.Values{"state": {state}})
		}
	}
	return q
}

// logout is the end session endpoint. A hint that names the person in this browser ends the session at once; without one
// anybody could have sent the browser here, so the person is asked.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.pages.refuse(w, http.StatusBadRequest, "The request cannot be read.")
		return
	}
	q := s.parseLogout(r.Form)
	ss := s.session(r)
	if ss != nil && q.subject != ss.subject {
		u, _ := s.userWithSubject(ss.subject)
		s.pages.show(w, http.StatusOK, "sign_out", "Sign out", q.returnURI, logoutPage{
			First: firstName(u), Client: q.client.Name, Return: q.returnURI, Request: r.Form.Encode(),
		})
		return
	}
	s.signedOut(w, r, q)
}

// signOut takes the answer of the page.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	v, err := url.ParseQuery(r.PostFormValue("request"))
	if err != nil {
		v = url.Values{}
	}
	s.signedOut(w, r, s.parseLogout(v))
}

func (s *Server) signedOut(w http.ResponseWriter, r *http.Request, q logoutRequest) {
	if ss, clients := s.endSession(w, r); ss != nil {
		s.tellClients(r.Context(), ss, clients)
	}
	w.Header().Set("Cache-Control", "no-store")
	if q.returnURI != "" {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			w.Header().Set("Location", q.returnURI)
			w.WriteHeader(http.StatusSeeOther)
			return
		}
		w.Header().Set("Refresh", "1; url="+q.returnURI)
	}
	s.pages.show(w, http.StatusOK, "signed_out", "Signed out", "", logoutPage{Client: q.client.Name, Return: q.returnURI})
}
