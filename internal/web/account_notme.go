package web

import (
	"cmp"
	"fmt"
	"net/http"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// notMeLink is the link in mails about what happened to an account.
func notMeLink() link {
	return link{
		path: "/not-me", cookie: "crmgate_not_me",
		gone: fault.New(fault.Expired, "This link was used already or is too old, or the account is locked by now. If somebody else may be in your account, "+
			"sign in and lock it on your account's page, or ask for help now.").
			WithReason("notice_gone").WithNext(fault.NextHelp),
	}
}

// notMePage is the Data of the pages "not_me" and "not_me_done".
type notMePage struct {
	// Action is where the button leads, BackURL where whoever changes their mind goes.
	Action, BackURL string
	// Email is the account's address, or its name.
	Email string
	// Local is true for a password of ours, Provider the name of whoever else it belongs to; ChangeURL is where that is changed.
	Local               bool
	Provider, ChangeURL string
	// Support is true where the help desk has been told.
	Support bool
}

func (h *AccountPages) notMePage(a *account.Account) notMePage {
	p := notMePage{Email: a.Email, Local: a.Owner == account.OwnerLocal, Provider: h.providerName(a.Owner), Support: h.ReportsTo}
	if p.Email == "" {
		p.Email = a.Username
	}
	if known, ok := h.Realms.Get(a.Owner); ok && !p.Local {
		info := known.Info()
		p.ChangeURL = cmp.Or(info.Password.ChangeURL, info.Password.ResetURL)
	}
	return p
}

// showNotMe asks somebody who is signed in. Nobody has to prove anything first: locking one's own account must be quick.
func (h *AccountPages) showNotMe(w http.ResponseWriter, r *http.Request) error {
	s, err := h.signedIn(w, r, "/account/not-me")
	if err != nil || s == nil {
		return err
	}
	p := h.notMePage(&account.Account{Owner: s.Provider, Email: s.Email, Username: s.Username})
	p.Action, p.BackURL = h.below("/account/not-me"), h.below("/account")
	return h.Pages.Render(w, r, http.StatusOK, "not_me", p)
}

func (h *AccountPages) notMe(w http.ResponseWriter, r *http.Request) error {
	if _, err := form(w, r); err != nil {
		return err
	}
	s, err := h.signedIn(w, r, "/account/not-me")
	if err != nil || s == nil {
		return err
	}
	a, err := h.OwnAccount.NotMe(r.Context(), s.AccountID)
	if err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, "not_me_done", h.notMePage(a))
}

// showNotMeLink asks before anything happens: mail scanners open links, and press no buttons.
func (h *AccountPages) showNotMeLink(w http.ResponseWriter, r *http.Request) error {
	l := notMeLink()
	if err := allow(h.Limits.Links, r, l.gone.Next); err != nil {
		return err
	}
	_, a, err := h.peekNotice(w, r, l)
	if err != nil {
		return err
	}
	p := h.notMePage(a)
	p.Action, p.BackURL = h.below(l.path), h.below("/sign-in")
	return h.Pages.Render(w, r, http.StatusOK, "not_me", p)
}

// notMeByLink locks an account. Nobody signs in for that: whoever is locked out by an intruder must be able to do it, and all that somebody
// else who reads the mail could do with it is to lock the account as well.
func (h *AccountPages) notMeByLink(w http.ResponseWriter, r *http.Request) error {
	l := notMeLink()
	if err := allow(h.Limits.Links, r, l.gone.Next); err != nil {
		return err
	}
	if _, err := form(w, r); err != nil {
		return err
	}
	secret, _, err := h.peekNotice(w, r, l)
	if err != nil {
		return err
	}
	a, err := h.OwnAccount.NotMeByLink(r.Context(), secret)
	if fault.Is(err, fault.Expired) {
		return h.gone(w, l, err)
	}
	if err != nil {
		return fmt.Errorf("lock account: %w", err)
	}
	http.SetCookie(w, h.linkCookie(l, "", -1))
	return h.Pages.Render(w, r, http.StatusOK, "not_me_done", h.notMePage(a))
}

// peekNotice returns the token of the request's cookie and the account behind it.
func (h *AccountPages) peekNotice(w http.ResponseWriter, r *http.Request, l link) (secret string, a *account.Account, err error) {
	cookies := r.CookiesNamed(h.linkCookieName(l))
	if len(cookies) != 1 || !token.WellFormed(cookies[0].Value) {
		// Also where somebody planted a second cookie: which of the two is ours cannot be told.
		return "", nil, h.gone(w, l, l.gone)
	}
	a, _, err = h.OwnAccount.PeekNotice(r.Context(), cookies[0].Value)
	if err != nil {
		return "", nil, h.gone(w, l, err)
	}
	return cookies[0].Value, a, nil
}
