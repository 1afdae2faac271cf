package web

import (
	"cmp"
	"fmt"
	"net/http"

	"crmgate/internal/account"
)

// changePassword leads browsers and password managers to where the caller's password is changed (W3C "A Well-Known URL for
// Changing Passwords"). It redirects for one time only: tomorrow the caller may be somebody else.
func (h *Handler) changePassword(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Sessions.Lookup(r)
	if err != nil {
		return fmt.Errorf("look up session: %w", err)
	}
	to := h.Prefix + "/help"
	switch {
	case s == nil:
	case s.Provider == account.OwnerLocal:
		to = h.Prefix + "/reset"
	default:
		if info, ok := h.provider(s); ok {
			to = cmp.Or(changeURL(s, info.Password), to)
		}
	}
	redirect(w, r, to)
	return nil
}
