package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"crmgate/internal/account"
	"crmgate/internal/fault"
)

// checkPassword says what is wrong with a new password while it is typed. It answers about the password and the names that the page shows
// beside it, and looks nobody up; what the person had before is judged when the password is set.
func (h *ResetPages) checkPassword(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Checks, r, fault.NextHelp); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	answer := struct {
		OK      bool   `json:"ok"`
		Problem string `json:"problem,omitempty"`
	}{OK: true}
	var weak *account.PasswordError
	err = h.Accounts.Weakness(r.Context(), f.Get("password"), clip(f.Get("username"), maxIdentifier), clip(f.Get("identifier"), maxIdentifier), clip(f.Get("name"), maxIdentifier))
	if errors.As(err, &weak) {
		answer.OK, answer.Problem = false, weak.Sentence
	} else if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(answer)
}
