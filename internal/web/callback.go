package web

import (
	"net/http"
	"net/url"

	"crmgate/internal/fault"
	"crmgate/internal/signin"
)

// callback takes what a provider sent back, by GET or as a form (response_mode=form_post). Every parameter is passed on as often as
// it came: refusing repeated ones is the provider's check.
func (h *SignInPages) callback(w http.ResponseWriter, r *http.Request) error {
	params, err := h.callbackParams(w, r)
	if err == nil {
		var step signin.Step
		step, err = h.Flow.Callback(w, r, r.PathValue("provider"), params)
		if err == nil {
			return h.next(w, r, step, signin.Request{})
		}
		if h.carry(w, r, params, err) {
			return nil
		}
	}
	if limit := allow(h.Limits.Callbacks, r, fault.NextSignIn); limit != nil {
		return limit
	}
	return h.down(err, signin.Request{Provider: r.PathValue("provider")})
}

func (h *SignInPages) callbackParams(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	const sentence = "The answer of your sign-in page did not arrive as it should. Please sign in again."
	if r.Method == http.MethodPost {
		defer hurry(w)()
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return nil, fault.Wrap(fault.Invalid, sentence, err).WithReason("bad_callback").WithNext(fault.NextSignIn)
		}
		return r.PostForm, nil
	}
	if params, ok := h.carried(w, r); ok {
		return params, nil
	}
	// Not URL.Query: it drops what it cannot read and keeps the rest.
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.Invalid, sentence).WithReason("bad_callback").WithNext(fault.NextSignIn)
	}
	return params, nil
}
