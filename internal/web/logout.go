package web

import (
	"context"
	"net/http"
	"net/url"

	"crmgate/internal/fault"
)

// Logouts takes what providers tell about people who signed out there; signin.Flow is one.
type Logouts interface {
	// BackChannel ends what a logout token names; one that is not good is fault.Invalid.
	BackChannel(ctx context.Context, providerID, logoutToken string) error
	// FrontChannel ends what a front-channel request names and returns the issuer; one that is not good is fault.Invalid.
	FrontChannel(ctx context.Context, providerID string, params url.Values) (issuer string, err error)
	// SignedOutAt returns the provider that a browser comes back from with a state of ours, "" for any other state.
	SignedOutAt(state string) string
}

// backChannel takes a logout token from the provider's server. What it says is the token's alone; no cookie and no origin counts.
func (h *SignOutPages) backChannel(w http.ResponseWriter, r *http.Request) error {
	f, err := form(w, r)
	if err == nil && len(f["logout_token"]) == 0 {
		err = fault.New(fault.Invalid, "There is no logout token in this form.").WithReason("logout_token_missing")
	}
	if err == nil {
		err = h.Logouts.BackChannel(r.Context(), r.PathValue("provider"), f.Get("logout_token"))
	}
	if err == nil {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	// Only what fails is counted: a provider may sign out a whole company at once.
	if limit := allow(h.Limits.Logouts, r, fault.Next{}); limit != nil {
		return limit
	}
	return err
}

// frontChannel takes a request that the provider's sign-out page makes this browser send, in a frame and mostly without cookies.
func (h *SignOutPages) frontChannel(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Logouts, r, fault.Next{}); err != nil {
		return err
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.New(fault.Invalid, "This sign-out did not arrive as it should.").WithReason("bad_logout")
	}
	issuer, err := h.Logouts.FrontChannel(r.Context(), r.PathValue("provider"), params)
	if err != nil {
		return err
	}
	// There is nothing on this page to be tricked into clicking, and nobody but the provider has any use for it in a frame.
	framer := "'none'"
	if u, err := url.Parse(issuer); err == nil && u.Host != "" {
		framer = u.Scheme + "://" + u.Host
	}
	w.Header().Del("X-Frame-Options")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors "+framer)
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte("<!doctype html><title>Signed out</title>\n")) // a browser that has gone has signed out all the same
	return nil
}
