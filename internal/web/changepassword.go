package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/session"
	"crmgate/internal/signin"
)

// changePasswordPage is the Data of the page "change_password".
type changePasswordPage struct {
	// Identifier is whose password is changed; empty lets the person type it.
	Identifier, ReturnTo string
	// Provider is the name of the directory, ProviderID its id; both are empty where the identifier decides.
	Provider, ProviderID string
	// Proven is the current password, sealed, of somebody who has just typed it; empty asks for it.
	Proven string
	// Notice says why a new password is needed; empty for somebody who came by themselves.
	Notice string
	// Problem is what is wrong, At the id of the field concerned.
	Problem, At string
	BackURL     string
}

// elsewherePage is the Data of the page "change_elsewhere".
type elsewherePage struct {
	Name string
	// Notice says why a new password is needed; empty for somebody who came by themselves.
	Notice                    string
	ChangeURL, ResetURL, Help string
	SignInURL                 string
}

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
		to = h.Prefix + "/sign-in/change-password"
	default:
		if info, ok := h.provider(s); ok {
			to = cmp.Or(h.passwordURL(s, info), to)
		}
	}
	redirect(w, r, to)
	return nil
}

// changeURL is where a directory's password is changed here.
func (h *Site) changeURL(info identity.Info) string {
	return h.below("/sign-in/change-password", "provider", info.ID)
}

func (h *SignInPages) showChange(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	req := signin.Request{Provider: q.Get("provider"), ReturnTo: returnTo(q)}
	// Who cannot be looked up is shown the page as a stranger is.
	if s, err := h.Sessions.Lookup(r); err == nil && s != nil && (req.Provider == "" || req.Provider == s.Provider) {
		req.Provider, req.Identifier = s.Provider, nameOf(s)
	}
	if known, ok := h.Realms.Get(req.Provider); ok && !known.Info().Password.ChangeHere {
		return h.elsewhere(w, r, http.StatusOK, known.Info(), "")
	}
	return h.Pages.Render(w, r, http.StatusOK, "change_password", h.changePage(req))
}

// nameOf returns what somebody who is signed in would type.
func nameOf(s *session.Session) string {
	if s.Username != "" {
		return s.Username
	}
	return s.Email
}

func (h *SignInPages) changePage(req signin.Request) changePasswordPage {
	p := changePasswordPage{Identifier: req.Identifier, ReturnTo: req.ReturnTo, BackURL: h.below("/sign-in", "return_to", req.ReturnTo)}
	if known, ok := h.Realms.Get(req.Provider); ok {
		info := known.Info()
		p.Provider, p.ProviderID = info.Name, info.ID
	}
	return p
}

// mustChange answers a sign-in with the right password that needs a new one first. By then the password is known to be right, so
// saying so tells a stranger nothing.
func (h *SignInPages) mustChange(w http.ResponseWriter, r *http.Request, step signin.Step, req signin.Request, must *identity.MustChange) error {
	var said *fault.Error
	if !errors.As(must, &said) {
		return must
	}
	if step.Provider != nil {
		if !must.Here {
			return h.elsewhere(w, r, http.StatusForbidden, *step.Provider, said.Sentence)
		}
		req.Provider = step.Provider.ID
	}
	page := h.changePage(req)
	page.Notice, page.At, page.Proven = said.Sentence, "current_password", h.prove(req)
	if page.Proven != "" {
		page.At = "password"
	}
	return h.Pages.Render(w, r, http.StatusForbidden, "change_password", page)
}

func (h *SignInPages) elsewhere(w http.ResponseWriter, r *http.Request, status int, info identity.Info, notice string) error {
	return h.Pages.Render(w, r, status, "change_elsewhere", elsewherePage{
		Name: info.Name, Notice: notice, ChangeURL: info.Password.ChangeURL, ResetURL: info.Password.ResetURL, Help: info.Password.Help,
		SignInURL: h.below("/sign-in"),
	})
}

// wrongCurrent is one sentence for every reason, on purpose.
const wrongCurrent = "That name and current password do not belong together. Check both and try again. After several wrong tries changing pauses " +
	"for a while, also with the right password."

func (h *SignInPages) change(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Passwords, r, fault.NextSignIn); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	req := signin.Request{Provider: f.Get("provider"), ReturnTo: returnTo(f), Password: f.Get("current_password"), NewPassword: f.Get("password")}
	identifier, problem := identifierOf(f)
	req.Identifier = identifier
	sealed := f.Get("proven")
	if known, ok := h.proven(req, sealed); ok && req.Password == "" {
		req.Password = known
	} else {
		sealed = ""
	}
	again := func(status int, problem, at string) error {
		page := h.changePage(req)
		page.Problem, page.At = problem, at
		if at != "current_password" {
			page.Proven = sealed
		}
		return h.Pages.Render(w, r, status, "change_password", page)
	}
	switch wrong, mismatch := check(req.NewPassword, f.Get("password_confirm")); {
	case problem != "":
		return again(http.StatusUnprocessableEntity, problem, "identifier")
	case req.Password == "":
		return again(http.StatusUnprocessableEntity, "Type your current password.", "current_password")
	case mismatch:
		return again(http.StatusUnprocessableEntity, wrong, "password_confirm")
	case wrong != "":
		return again(http.StatusUnprocessableEntity, wrong, "password")
	}
	step, err := h.Flow.ChangePassword(w, r, req)
	var refused *account.PasswordError
	var said *fault.Error
	switch {
	case errors.Is(err, identity.ErrWrongPassword):
		return again(http.StatusUnauthorized, wrongCurrent, "current_password")
	case errors.As(err, &refused):
		return again(http.StatusUnprocessableEntity, refused.Sentence, "password")
	case fault.Is(err, fault.Invalid) && errors.As(err, &said):
		return again(http.StatusUnprocessableEntity, said.Sentence, "password")
	case err != nil:
		return err
	case step.Kind == signin.StepElsewhere && step.Provider != nil:
		return h.elsewhere(w, r, http.StatusOK, *step.Provider, "")
	case step.Kind == signin.StepElsewhere:
		redirect(w, r, h.below("/reset"))
		return nil
	}
	return h.next(w, r, step, req)
}
