package web

import (
	"errors"
	"net/http"
	"net/url"

	"crmgate/internal/fault"
	"crmgate/internal/signin"
)

// An answer by form_post is a POST from another site, and with such a one browsers send no SameSite=Lax cookie: the sign-in that it
// belongs to cannot be told. So the answer is put into a cookie of its own and the browser sent to the same address with GET, where its
// Lax cookies come along. This works without script, keeps the code out of every address, and needs no cookie that other sites may use.

const (
	// answerCookie holds the answer between the two requests.
	answerCookie = "crmgate_answer"
	// answerQuery is the query of the second request.
	answerQuery = "answer=posted"
	// maxAnswer is the length in bytes that a browser certainly keeps in a cookie.
	maxAnswer = 3800
	// answerSeconds is how long the browser has for the second request.
	answerSeconds = 60
)

// answerParams are the parameters that are carried over; a provider may send others that nobody reads.
var answerParams = []string{"code", "state", "iss", "error", "error_description"}

// carry answers a posted response whose browser is not known by sending the browser here again with it. It reports whether it has done so.
func (h *SignInPages) carry(w http.ResponseWriter, r *http.Request, params url.Values, err error) bool {
	var f *fault.Error
	provider, _ := h.Realms.Get(r.PathValue("provider"))
	switch {
	case r.Method != http.MethodPost || !errors.As(err, &f) || f.Reason != signin.ReasonBrowserUnknown:
		return false
	case provider == nil || !provider.Info().FormPost:
		return false
	}
	kept := url.Values{}
	for _, name := range answerParams {
		if values, ok := params[name]; ok {
			kept[name] = values
		}
	}
	value := kept.Encode()
	if len(value) > maxAnswer {
		kept.Del("error_description") // the only one that may be long and is not needed
		if value = kept.Encode(); len(value) > maxAnswer {
			return false
		}
	}
	http.SetCookie(w, h.answerCookie(r, value, answerSeconds))
	redirect(w, r, r.URL.EscapedPath()+"?"+answerQuery)
	return true
}

// carried returns the response that a request brings in the cookie; ok is false for every other request.
func (h *SignInPages) carried(w http.ResponseWriter, r *http.Request) (params url.Values, ok bool) {
	if r.Method == http.MethodPost || r.URL.RawQuery != answerQuery {
		return nil, false
	}
	http.SetCookie(w, h.answerCookie(r, "", -1))
	found := r.CookiesNamed(h.answerCookie(r, "", 0).Name)
	if len(found) != 1 {
		return url.Values{}, true // a page that was loaded again: there is no answer any more
	}
	params, err := url.ParseQuery(found[0].Value)
	if err != nil {
		return url.Values{}, true
	}
	return params, true
}

func (h *SignInPages) answerCookie(r *http.Request, value string, maxAge int) *http.Cookie {
	name := answerCookie
	if h.Secure {
		name = "__Secure-" + name
	}
	// The path keeps it from everything but this provider's callback, the CRM above all.
	return &http.Cookie{Name: name, Value: value, Path: r.URL.EscapedPath(), MaxAge: maxAge, Secure: h.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
