package web

import (
	"errors"
	"net/http"
	"net/url"

	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/signin"
)

// Passkeys sign people in without a password.
type Passkeys interface {
	// PasskeyChallenge returns what the sign-in page needs; empty where there are none.
	PasskeyChallenge(w http.ResponseWriter, r *http.Request) (sealed, options string, err error)
	// Passkey verifies the answer; a wrong one is mfa.ErrWrong.
	Passkey(w http.ResponseWriter, r *http.Request, sealed string, req signin.Request, form url.Values) (signin.Step, error)
}

// offerPasskey lets the sign-in page offer passkeys. Where that fails the page is shown without.
func (h *SignInPages) offerPasskey(w http.ResponseWriter, r *http.Request, data *signInPage) {
	if h.Passkeys == nil {
		return
	}
	if sealed, options, err := h.Passkeys.PasskeyChallenge(w, r); err == nil {
		data.Challenge, data.PasskeyOptions = sealed, options
	}
}

// passkey signs somebody in with a passkey alone.
func (h *SignInPages) passkey(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Passwords, r, fault.NextSignIn); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	req := signin.Request{ReturnTo: returnTo(f)}
	next, err := h.Passkeys.Passkey(w, r, f.Get("challenge"), req, f)
	if errors.Is(err, mfa.ErrWrong) {
		data := h.signInPage(req, "That passkey does not open an account here. Sign in another way, then add it on your account's page.")
		h.offerPasskey(w, r, &data)
		return h.Pages.Render(w, r, http.StatusUnauthorized, "sign_in", data)
	}
	if err != nil {
		return err
	}
	return h.next(w, r, next, req)
}
