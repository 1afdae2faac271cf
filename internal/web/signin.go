package web

import (
	"fmt"
	"net/http"
	"net/url"

	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/signin"
)

// Flow runs sign-ins; signin.Flow is one.
type Flow interface {
	// Begin decides where somebody signs in.
	Begin(w http.ResponseWriter, r *http.Request, req signin.Request) (signin.Step, error)
	// Password checks a password; a wrong one is identity.ErrWrongPassword.
	Password(w http.ResponseWriter, r *http.Request, req signin.Request) (signin.Step, error)
	// ChangePassword changes a password with the one that is known, and signs in with it.
	ChangePassword(w http.ResponseWriter, r *http.Request, req signin.Request) (signin.Step, error)
	// Callback finishes a sign-in at a provider.
	Callback(w http.ResponseWriter, r *http.Request, providerID string, params url.Values) (signin.Step, error)
}

// SignInPages are the ways in: the sign-in page, passwords, providers and what they send back, and passkeys.
type SignInPages struct {
	*Site
	Flow Flow
	// Passkeys sign people in without a password; nil has none.
	Passkeys Passkeys
}

func (h *SignInPages) routes(at route) {
	at("/sign-in", h.showSignIn, h.signIn)
	at("/sign-in/password", h.showPassword, h.password)
	at("/sign-in/change-password", h.showChange, h.change)
	at("/sign-in/{provider}", h.startProvider, nil)
	at("/callback/{provider}", h.callback, h.callback)
	if h.Passkeys != nil {
		at("/factor/passkey", nil, h.passkey)
	}
}

// way is one button to a provider.
type way struct{ Name, URL string }

// signInPage is the Data of the page "sign_in".
type signInPage struct {
	Identifier, Problem, ReturnTo string
	// Switch asks providers to offer other accounts.
	Switch bool
	// Unsent is true where a form met a session that was over.
	Unsent    bool
	Providers []way
	// LastUsed is how this device signed in the last time, and OtherURL leads to the page without it.
	LastUsed *lastUsedWay
	OtherURL string
	// SignedInAs and Continue are set where the browser is signed in already.
	SignedInAs, Continue string
	// Challenge and PasskeyOptions offer passkeys; empty does not.
	Challenge, PasskeyOptions string
	// PasswordEnd is set where the company password of who is signed in ends soon.
	PasswordEnd *passwordEnd
}

// lastUsedWay is shown above the field that it fills in. Provider is empty for a password of our own.
type lastUsedWay struct{ Identifier, Provider string }

func (h *SignInPages) showSignIn(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	req := signin.Request{ReturnTo: returnTo(q), SelectAccount: q.Get("switch") != ""}
	if h.Direct != "" {
		if done, err := h.sendOn(w, r, req); done || err != nil {
			return err
		}
	}
	data := h.signInPage(req, "")
	data.Unsent = q.Get("unsent") != ""
	// Who cannot be looked up is shown the page as a stranger is; signing in will say what is wrong.
	if s, err := h.Sessions.Lookup(r); err == nil && s != nil && !req.SelectAccount {
		data.SignedInAs, data.Continue = s.Email, signin.ReturnTo(req.ReturnTo)
		data.PasswordEnd = h.passwordEnd(s)
	}
	if req.SelectAccount {
		h.forget(w, r)
	} else if used, name, ok := h.lastUsed(r); ok && data.SignedInAs == "" {
		data.Identifier, data.LastUsed = used.Identifier, &lastUsedWay{Identifier: used.Identifier, Provider: name}
		data.OtherURL = h.below("/sign-in", "return_to", req.ReturnTo, "switch", "1")
	}
	h.offerPasskey(w, r, &data)
	return h.Pages.Render(w, r, http.StatusOK, "sign_in", data)
}

// signInLoopPage is the Data of the page "sign_in_loop".
type signInLoopPage struct {
	Provider, URL string
}

// sendOn sends the browser to the only provider there is, unless the person should click first: after a sign-out, or where the browser
// comes back again and again.
func (h *SignInPages) sendOn(w http.ResponseWriter, r *http.Request, req signin.Request) (done bool, err error) {
	pace := session.PaceGo
	if !req.SelectAccount { // that was a click
		pace = h.Sessions.Pace(w, r)
	}
	switch pace {
	case session.PaceWait:
		return false, nil
	case session.PaceLoop:
		data := signInLoopPage{URL: h.startURL(h.Direct, req)}
		if p, ok := h.Realms.Get(h.Direct); ok {
			data.Provider = p.Info().Name
		}
		return true, h.Pages.Render(w, r, http.StatusOK, "sign_in_loop", data)
	}
	req.Provider = h.Direct
	return true, h.begin(w, r, req)
}

func (h *SignInPages) signInPage(req signin.Request, problem string) signInPage {
	data := signInPage{Identifier: req.Identifier, Problem: problem, ReturnTo: req.ReturnTo, Switch: req.SelectAccount}
	for _, info := range h.infos() {
		if info.Redirects {
			data.Providers = append(data.Providers, way{Name: info.Name, URL: h.startURL(info.ID, req)})
		}
	}
	return data
}

// signInAgain shows the page with what is wrong, and every way in that it had before.
func (h *SignInPages) signInAgain(w http.ResponseWriter, r *http.Request, req signin.Request, problem string) error {
	data := h.signInPage(req, problem)
	h.offerPasskey(w, r, &data)
	return h.Pages.Render(w, r, http.StatusUnprocessableEntity, "sign_in", data)
}

func (h *SignInPages) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Starts, r, fault.NextSignIn); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	req := signin.Request{ReturnTo: returnTo(f), SelectAccount: f.Get("switch") != ""}
	identifier, problem := identifierOf(f)
	if problem != "" {
		return h.signInAgain(w, r, req, problem)
	}
	req.Identifier = identifier
	step, err := h.Flow.Begin(w, r, req)
	if err != nil {
		return h.down(err, req)
	}
	return h.next(w, r, step, req)
}

// startProvider starts one provider directly.
func (h *SignInPages) startProvider(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return h.begin(w, r, signin.Request{Provider: r.PathValue("provider"), ReturnTo: returnTo(q), SelectAccount: q.Get("switch") != "", ForceLogin: q.Get("again") != ""})
}

// begin starts a sign-in at a provider.
func (h *SignInPages) begin(w http.ResponseWriter, r *http.Request, req signin.Request) error {
	if err := allow(h.Limits.Starts, r, fault.NextSignIn); err != nil {
		return err
	}
	step, err := h.Flow.Begin(w, r, req)
	if err != nil {
		return h.down(err, req)
	}
	return h.next(w, r, step, req)
}

// noWayIn is what an identifier gets that nobody signs in with. It is about domains, which are no secret, never about a person.
const noWayIn = "Nobody signs in here with an address like that. Check it for typing mistakes, or use your company address."

// next shows what the flow decided.
func (h *SignInPages) next(w http.ResponseWriter, r *http.Request, step signin.Step, req signin.Request) error {
	switch step.Kind {
	case signin.StepFactor:
		redirect(w, r, step.URL)
		return nil
	case signin.StepRedirect, signin.StepDone:
		h.remember(w, step.Used)
		redirect(w, r, step.URL)
		return nil
	case signin.StepPassword:
		if step.Provider != nil {
			req.Provider = step.Provider.ID // the page names it, so it is the one that is asked
		}
		return h.Pages.Render(w, r, http.StatusOK, "password", h.passwordPage(req, ""))
	case signin.StepUnknown:
		return h.signInAgain(w, r, req, noWayIn)
	}
	return fmt.Errorf("continue sign-in: unknown step %d", step.Kind)
}
