package web

import (
	"errors"
	"net/http"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/signin"
)

// passwordPage is the Data of the page "password". It is the same for every identifier of a domain, whether somebody has it or not.
type passwordPage struct {
	// Identifier is whose password is asked for; empty lets the person type it.
	Identifier, Problem, ReturnTo string
	// Provider is the name of the directory that is asked, ProviderID its id; both are empty where the identifier decides.
	Provider, ProviderID string
	Remember             bool
	// BackURL leads to the sign-in page.
	BackURL string
}

func (h *SignInPages) passwordPage(req signin.Request, problem string) passwordPage {
	p := passwordPage{
		Identifier: req.Identifier, Problem: problem, ReturnTo: req.ReturnTo, Remember: req.Remember,
		BackURL: h.below("/sign-in", "return_to", req.ReturnTo),
	}
	if known, ok := h.Realms.Get(req.Provider); ok {
		info := known.Info()
		p.Provider, p.ProviderID = info.Name, info.ID
	}
	return p
}

// showPassword is for those who reload or type the address: the way in begins with the identifier.
func (h *SignInPages) showPassword(w http.ResponseWriter, r *http.Request) error {
	redirect(w, r, h.below("/sign-in", "return_to", returnTo(r.URL.Query())))
	return nil
}

// wrongPassword is one sentence for every reason, on purpose.
const wrongPassword = "That name and password do not belong together. Check both and try again. " +
	"After several wrong tries sign-in pauses for a while, also with the right password."

func (h *SignInPages) password(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Passwords, r, fault.NextSignIn); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	req := signin.Request{
		Provider: f.Get("provider"), ReturnTo: returnTo(f), Password: f.Get("password"), Remember: f.Get("remember") != "",
	}
	identifier, problem := identifierOf(f)
	req.Identifier = identifier
	if problem == "" && req.Password == "" {
		problem = "Type your password."
	}
	if problem != "" {
		return h.Pages.Render(w, r, http.StatusUnprocessableEntity, "password", h.passwordPage(req, problem))
	}
	step, err := h.Flow.Password(w, r, req)
	if errors.Is(err, identity.ErrWrongPassword) {
		return h.Pages.Render(w, r, http.StatusUnauthorized, "password", h.passwordPage(req, wrongPassword))
	}
	var must *identity.MustChange
	if errors.As(err, &must) {
		return h.mustChange(w, r, step, req, must)
	}
	if err != nil {
		return h.down(err, req)
	}
	return h.next(w, r, step, req)
}
