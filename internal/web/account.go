package web

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/page"
)

// accountPage is the Data of the page "account".
type accountPage struct {
	Name, Email, Username string
	// Provider is the name of the provider somebody signs in with; Local is true for a password of ours.
	Provider  string
	Local     bool
	ChangeURL string
	Groups    []string
	// SecondSteps is true where there are second factors.
	SecondSteps bool
	// PasswordEnd is set where a company password ends soon.
	PasswordEnd *passwordEnd

	SignedInAt, ExpiresAt time.Time
}

func (h *Handler) account(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Sessions.Lookup(r)
	if err != nil {
		return fmt.Errorf("look up session: %w", err)
	}
	if s == nil {
		if !page.Navigation(r) {
			return h.signInRequired(w)
		}
		redirect(w, r, h.below("/sign-in", "return_to", h.Prefix+"/account"))
		return nil
	}
	data := accountPage{
		Name: s.Name, Email: s.Email, Username: s.Username, Provider: s.Provider, Local: s.Provider == account.OwnerLocal,
		Groups: s.Groups, SignedInAt: s.SignedInAt, ExpiresAt: s.ExpiresAt, PasswordEnd: h.passwordEnd(s),
		SecondSteps: h.Factors != nil,
	}
	if info, ok := h.provider(s); ok {
		data.Provider, data.ChangeURL = info.Name, cmp.Or(s.PasswordChangeURL, info.Password.ChangeURL)
	}
	return h.Pages.Render(w, r, http.StatusOK, "account", data)
}
