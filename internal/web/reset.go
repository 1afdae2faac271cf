package web

import (
	"context"
	"fmt"
	"net/http"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Accounts are the parts of package account that pages need; account.Service is one.
type Accounts interface {
	// RequestReset answers a request for a reset at once.
	RequestReset(ctx context.Context, identifier string) (account.ResetAnswer, error)
	// PeekToken returns the account behind a one-time token without using it; fault.Expired where it is not good.
	PeekToken(ctx context.Context, p account.Purpose, token string) (*account.Account, error)
	// RedeemToken sets the password with a one-time token; a refused password is a *account.PasswordError.
	RedeemToken(ctx context.Context, p account.Purpose, token, password string) (*account.Account, error)
}

// resetPage is the Data of the pages "reset" and "reset_sent".
type resetPage struct {
	Identifier, Problem string
	// Lifetime is how long a mailed link works, in words; empty is not mentioned.
	Lifetime string
}

// providerPage is the Data of the page "reset_provider".
type providerPage struct {
	Name string
	// ResetURL may be empty; Help is a sentence of the administrator's.
	ResetURL, Help string
	Redirects      bool
	SignInURL      string
}

func (h *Handler) showReset(w http.ResponseWriter, r *http.Request) error {
	return h.Pages.Render(w, r, http.StatusOK, "reset", resetPage{})
}

func (h *Handler) reset(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Resets, r, fault.NextHelp); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	identifier, problem := identifierOf(f)
	if problem != "" {
		return h.Pages.Render(w, r, http.StatusUnprocessableEntity, "reset", resetPage{Problem: problem})
	}
	answer, err := h.Accounts.RequestReset(r.Context(), identifier)
	switch {
	case err != nil:
		return fmt.Errorf("request reset: %w", err)
	case answer.Provider != nil:
		return h.Pages.Render(w, r, http.StatusOK, "reset_provider", h.providerPage(*answer.Provider))
	case !h.MailedReset:
		return h.Pages.Render(w, r, http.StatusOK, "reset_closed", nil)
	}
	sent := resetPage{Identifier: identifier}
	if h.LinkLifetime > 0 {
		sent.Lifetime = account.Lifetime(h.LinkLifetime)
	}
	return h.Pages.Render(w, r, http.StatusOK, "reset_sent", sent)
}

func (h *Handler) providerPage(info identity.Info) providerPage {
	p := providerPage{Name: info.Name, ResetURL: info.Password.ResetURL, Help: info.Password.Help, Redirects: info.Redirects, SignInURL: h.below("/sign-in")}
	if info.Redirects {
		p.SignInURL = h.below("/sign-in/" + info.ID)
	}
	return p
}
