package web

import (
	"errors"
	"net/http"
	"net/url"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/session"
)

// namePage is the Data of the page "account_name".
type namePage struct {
	Name, Problem string
	// Elsewhere is the provider that knows the name; empty where it is changed here.
	Elsewhere string
	// StepUpURL leads to proving who it is, empty where that was done lately.
	StepUpURL string
	// NotYet is true where what was typed waits to be sent once more.
	NotYet bool
}

func (h *AccountPages) showName(w http.ResponseWriter, r *http.Request) error {
	s, err := h.signedIn(w, r, "/account/name")
	if err != nil || s == nil {
		return err
	}
	data := namePage{Name: s.Name}
	if s.Provider != account.OwnerLocal {
		data.Elsewhere = s.Provider
		if info, ok := h.provider(s); ok {
			data.Elsewhere = info.Name
		}
	}
	if f, ok := h.typed(r, s, "/account/name"); ok && data.Elsewhere == "" {
		data.Name, data.NotYet = f.Get("name"), true
	}
	if data.StepUpURL, err = h.staleURL(r, s, "/account/name"); err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, "account_name", data)
}

// staleURL is stepUpURL where somebody has to go there before they may change something, and "" otherwise.
func (h *AccountPages) staleURL(r *http.Request, s *session.Session, back string) (string, error) {
	fresh, err := h.fresh(r, s)
	if err != nil || fresh {
		return "", err
	}
	if f, ok := h.typed(r, s, back); ok {
		back = h.withTyped(back, s, f)
	}
	return h.stepUpURL(back), nil
}

func (h *AccountPages) rename(w http.ResponseWriter, r *http.Request, s *session.Session, f url.Values) error {
	a, err := h.OwnAccount.Rename(r.Context(), s.AccountID, f.Get("name"))
	var said *fault.Error
	if fault.Is(err, fault.Invalid) && errors.As(err, &said) {
		return h.Pages.Render(w, r, http.StatusUnprocessableEntity, "account_name", namePage{Name: f.Get("name"), Problem: said.Sentence})
	}
	if err != nil {
		return err
	}
	// What the CRM is told comes from the session.
	if err := h.OwnSessions.Rename(r.Context(), s.AccountID, a.Name); err != nil {
		return err
	}
	redirect(w, r, h.below("/account"))
	return nil
}
