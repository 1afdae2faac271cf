package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// linkCookieLifetime is how long the page behind a mailed link stays usable; opening the link again starts afresh.
const linkCookieLifetime = time.Hour

// link is one sort of mailed link and the page behind it.
type link struct {
	purpose account.Purpose
	// path is where its pages are, and the only place its cookie is sent to.
	path   string
	cookie string
	// then is where the opened link leads, below path.
	then string
	// gone is what to say and to offer when the link is no good.
	gone *fault.Error
}

func resetLink() link {
	return link{
		purpose: account.ForReset, path: "/reset", cookie: "crmgate_reset", then: "/set",
		gone: fault.New(fault.Expired, "This link was used already, is too old, or a newer one was sent. Ask for a new link and use the newest mail.").
			WithReason("link_expired").WithNext(fault.NextReset),
	}
}

func inviteLink() link {
	return link{
		purpose: account.ForInvitation, path: "/invite", cookie: "crmgate_invite", then: "/set",
		gone: fault.New(fault.Expired, "This invitation was used already or is too old. If you have set up your account, sign in. "+
			"If not, ask whoever invited you for a new invitation.").
			WithReason("invitation_expired").WithNext(fault.Next{Label: "Go to sign-in", Path: "/sign-in"}),
	}
}

// newPasswordPage is the Data of the page "new_password".
type newPasswordPage struct {
	Action, Name, Username, Problem string
	// Mismatch says that the problem is the second field's.
	Mismatch, Invitation bool
	MinLength            int
}

// donePage is the Data of the page "reset_done".
type donePage struct {
	Username   string
	Invitation bool
	// Elsewhere is the provider that the address leads to at sign-in, where there is no user name to type instead; empty otherwise.
	Elsewhere string
}

// openLink moves the token out of the address before anything is shown. Nothing is used up.
func (h *Site) openLink(l link) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := allow(h.Limits.Links, r, l.gone.Next); err != nil {
			return err
		}
		w.Header().Set("Referrer-Policy", "no-referrer")
		secret := r.PathValue("token")
		if !token.WellFormed(secret) {
			return l.gone
		}
		http.SetCookie(w, h.linkCookie(l, secret, int(linkCookieLifetime/time.Second)))
		redirect(w, r, h.Prefix+l.path+l.then)
		return nil
	}
}

func (h *ResetPages) showSet(l link) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := allow(h.Limits.Links, r, l.gone.Next); err != nil {
			return err
		}
		_, a, err := h.peek(w, r, l)
		if err != nil {
			return err
		}
		return h.Pages.Render(w, r, http.StatusOK, "new_password", h.newPasswordPage(r, l, a))
	}
}

func (h *ResetPages) set(l link) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := allow(h.Limits.Links, r, l.gone.Next); err != nil {
			return err
		}
		f, err := form(w, r)
		if err != nil {
			return err
		}
		secret, a, err := h.peek(w, r, l)
		if err != nil {
			return err
		}
		data := h.newPasswordPage(r, l, a)
		data.Problem, data.Mismatch = check(f.Get("password"), f.Get("password_confirm"))
		if data.Problem != "" {
			return h.Pages.Render(w, r, http.StatusUnprocessableEntity, "new_password", data)
		}
		_, err = h.Accounts.RedeemToken(r.Context(), l.purpose, secret, f.Get("password"))
		var refused *account.PasswordError
		if errors.As(err, &refused) {
			data.Problem = refused.Sentence
			return h.Pages.Render(w, r, http.StatusUnprocessableEntity, "new_password", data)
		}
		if err != nil {
			return h.gone(w, l, err)
		}
		http.SetCookie(w, h.linkCookie(l, "", -1))
		done := donePage{Username: data.Username, Invitation: data.Invitation}
		if info, stranded := a.Stranded(h.Realms); stranded {
			done.Elsewhere = info.Name
		}
		return h.Pages.Render(w, r, http.StatusOK, "reset_done", done)
	}
}

// check compares the two fields; what makes a good password is package account's.
func check(password, again string) (problem string, mismatch bool) {
	switch {
	case password == "":
		return "Type a new password.", false
	case again == "":
		return "Type the new password once more in the second field.", true
	case password != again:
		return "The two passwords are not the same. Type the new password again in both fields.", true
	}
	return "", false
}

// peek returns the token of the request's cookie and the account behind it.
func (h *ResetPages) peek(w http.ResponseWriter, r *http.Request, l link) (secret string, a *account.Account, err error) {
	cookies := r.CookiesNamed(h.linkCookieName(l))
	if len(cookies) != 1 || !token.WellFormed(cookies[0].Value) {
		// Also where somebody planted a second cookie: which of the two is ours cannot be told.
		return "", nil, h.gone(w, l, l.gone)
	}
	a, err = h.Accounts.PeekToken(r.Context(), l.purpose, cookies[0].Value)
	if err != nil {
		return "", nil, h.gone(w, l, err)
	}
	return cookies[0].Value, a, nil
}

// gone turns a token that is no good into the page that says so, and removes the cookie. Other errors stay what they are.
func (h *Site) gone(w http.ResponseWriter, l link, err error) error {
	if !fault.Is(err, fault.Expired) && !fault.Is(err, fault.NotFound) {
		return fmt.Errorf("use one-time link: %w", err)
	}
	http.SetCookie(w, h.linkCookie(l, "", -1))
	if err == error(l.gone) {
		return err
	}
	return fault.Wrap(l.gone.Kind, l.gone.Sentence, err).WithReason(l.gone.Reason).WithNext(l.gone.Next)
}

func (h *ResetPages) newPasswordPage(r *http.Request, l link, a *account.Account) newPasswordPage {
	return newPasswordPage{
		Action: h.Prefix + l.path + "/set", Name: a.Name, Username: a.SignInName(h.Realms),
		Invitation: l.purpose == account.ForInvitation, MinLength: h.Accounts.MinLength(r.Context(), a),
	}
}

func (h *Site) linkCookieName(l link) string {
	if h.Secure {
		return "__Secure-" + l.cookie
	}
	return l.cookie
}

func (h *Site) linkCookie(l link, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: h.linkCookieName(l), Value: value, Path: h.Prefix + l.path, MaxAge: maxAge,
		HttpOnly: true, Secure: h.Secure, SameSite: http.SameSiteLaxMode,
	}
}
