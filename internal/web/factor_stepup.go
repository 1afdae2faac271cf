package web

import (
	"errors"
	"net/http"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/signin"
)

// confirmPage is the Data of the page "factor_confirm".
type confirmPage struct {
	Who, Provider, ReturnTo, Problem string
	// Password asks for it; otherwise URL leads to signing in again. Rule says that a rule wants it.
	Password, Rule bool
	URL            string
}

func (h *FactorPages) showStepUp(w http.ResponseWriter, r *http.Request) error {
	next, confirm, err := h.StepUps.StepUp(r, r.URL.Query().Get("return_to"))
	if err != nil {
		return err
	}
	return h.stepOrConfirm(w, r, http.StatusOK, next, confirm, "")
}

func (h *FactorPages) stepOrConfirm(w http.ResponseWriter, r *http.Request, status int, next signin.Step, c *signin.Confirm, problem string) error {
	if c == nil || next.URL != "" {
		return h.step(w, r, next, false)
	}
	return h.Pages.Render(w, r, status, "factor_confirm", confirmPage{Who: c.Who, Provider: c.Provider, ReturnTo: c.ReturnTo, Problem: problem, Password: c.Password, Rule: c.Rule, URL: c.URL})
}

func (h *FactorPages) confirmPassword(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Passwords, r, fault.NextSignIn); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	next, confirm, err := h.StepUps.ConfirmPassword(w, r, f.Get("return_to"), f.Get("password"))
	if errors.Is(err, identity.ErrWrongPassword) && confirm != nil {
		return h.stepOrConfirm(w, r, http.StatusUnauthorized, signin.Step{}, confirm, "That is not your password. Check it and try again.")
	}
	if err != nil {
		return err
	}
	return h.stepOrConfirm(w, r, http.StatusOK, next, confirm, "")
}
