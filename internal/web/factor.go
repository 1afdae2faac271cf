package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
	"crmgate/internal/signin"
)

// Factors runs the steps of second factors; signin.Flow is one.
type Factors interface {
	FactorChecks
	FactorEnrolments
}

// FactorChecks ask for a factor.
type FactorChecks interface {
	// Factor returns what the page shows.
	Factor(r *http.Request, ticket string, kind mfa.Kind) (signin.FactorPage, error)
	// SendFactor sends a code.
	SendFactor(r *http.Request, ticket string, kind mfa.Kind) (signin.Step, error)
	// CheckFactor verifies an answer; a wrong one is mfa.ErrWrong.
	CheckFactor(w http.ResponseWriter, r *http.Request, ticket string, kind mfa.Kind, form url.Values, remember bool) (signin.Step, error)
}

// FactorEnrolments set a factor up.
type FactorEnrolments interface {
	// EnrolChoices returns what can be chosen, or where to go first.
	EnrolChoices(r *http.Request, ticket, returnTo string) (signin.EnrolPage, signin.Step, error)
	// BeginEnrol begins one kind.
	BeginEnrol(r *http.Request, ticket, returnTo string, kind mfa.Kind, form url.Values) (signin.Step, error)
	// Enrolment returns what the page of one kind shows.
	Enrolment(r *http.Request, ticket string, kind mfa.Kind) (signin.EnrolPage, error)
	// ConfirmEnrol ends it; a wrong answer is mfa.ErrWrong.
	ConfirmEnrol(w http.ResponseWriter, r *http.Request, ticket string, kind mfa.Kind, form url.Values) (signin.Step, error)
	// SkipEnrol puts it off.
	SkipEnrol(w http.ResponseWriter, r *http.Request, ticket string) (signin.Step, error)
}

// StepUps ask somebody who is signed in to prove themselves again.
type StepUps interface {
	// StepUp says where to go, or how to confirm.
	StepUp(r *http.Request, returnTo string) (signin.Step, *signin.Confirm, error)
	// ConfirmPassword takes a password; a wrong one is identity.ErrWrongPassword.
	ConfirmPassword(w http.ResponseWriter, r *http.Request, returnTo, password string) (signin.Step, *signin.Confirm, error)
	// Fresh reports whether a session may change what protects its account.
	Fresh(r *http.Request, s *session.Session) (bool, error)
}

// factorPage is the Data of the pages "factor_<kind>", for a check and for an enrolment.
type factorPage struct {
	// Enrol is true for the page that sets the factor up.
	Enrol bool
	Kind  mfa.Kind
	Step  string
	View  any
	Who   string
	// Problem is what was wrong with the answer.
	Problem string
	// Others are links to other ways.
	Others []way
	// Remember is how long this browser may stand in, such as "30 days"; empty offers nothing.
	Remember string
	StepUp   bool
	// CancelURL leads away.
	CancelURL string
}

// codesPage is the Data of the page "factor_codes".
type codesPage struct {
	Codes []string
	// Continue is where the person was going.
	Continue string
	// Added is true where a factor was added in the same step.
	Added bool
	// Who is whose they are, MadeAt when and SignInURL where they are used: a sheet of paper has to say so.
	Who, SignInURL string
	MadeAt         time.Time
}

// FactorPages ask for second factors, set them up, and ask for a fresh proof.
type FactorPages struct {
	*Site
	// Factors runs the steps; nil leaves second factors out.
	Factors Factors
	// StepUps ask for a fresh proof, also where there are no second factors; nil leaves that page out.
	StepUps StepUps
}

func (h *FactorPages) routes(at route) {
	if h.StepUps != nil {
		at("/factor/step-up", h.showStepUp, h.confirmPassword)
	}
	if h.Factors == nil {
		return
	}
	at("/factor", h.showFactor, h.checkFactor)
	at("/factor/send", nil, h.sendFactor)
	at("/factor/enrol", h.showEnrol, h.beginEnrol)
	at("/factor/enrol/{kind}", h.showEnrolment, h.confirmEnrol)
	at("/factor/skip", h.backTo("/account"), h.skipEnrol)
}

// step goes on to what the flow decided.
func (h *FactorPages) step(w http.ResponseWriter, r *http.Request, next signin.Step, added bool) error {
	if next.Kind == signin.StepDone {
		h.remember(w, next.Used)
	}
	if len(next.Codes) > 0 {
		return h.Pages.Render(w, r, http.StatusOK, "factor_codes", codesPage{Codes: next.Codes, Continue: next.URL, Added: added, Who: next.Who, SignInURL: h.BaseURL + "/sign-in", MadeAt: h.now()})
	}
	if next.URL == "" {
		return fmt.Errorf("continue with second factor: no address in step %d", next.Kind)
	}
	redirect(w, r, next.URL)
	return nil
}

func (h *FactorPages) showFactor(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if q.Get("step") == "" {
		redirect(w, r, h.below("/factor/manage"))
		return nil
	}
	return h.renderFactor(w, r, http.StatusOK, q.Get("step"), mfa.Kind(q.Get("use")), "")
}

func (h *FactorPages) renderFactor(w http.ResponseWriter, r *http.Request, status int, ticket string, kind mfa.Kind, problem string) error {
	p, err := h.Factors.Factor(r, ticket, kind)
	if err != nil {
		return err
	}
	data := factorPage{Kind: p.Kind, Step: ticket, View: p.View, Who: p.Who, Problem: problem, StepUp: p.StepUp, CancelURL: h.below("/sign-in", "return_to", signInReturn(p.ReturnTo))}
	if p.StepUp {
		data.CancelURL = "/"
		if strings.HasPrefix(p.ReturnTo, h.Prefix+"/") {
			data.CancelURL = h.below("/account")
		}
	}
	if p.CanRemember {
		data.Remember = account.Lifetime(p.Remember)
	}
	for _, o := range p.Others {
		data.Others = append(data.Others, way{Name: o.Way, URL: h.below("/factor", "step", ticket, "use", string(o.Kind))})
	}
	return h.Pages.Render(w, r, status, "factor_"+string(p.Kind), data)
}

// signInReturn is a return address as the sign-in page takes it.
func signInReturn(to string) string {
	if to == "/" {
		return ""
	}
	return to
}

func (h *FactorPages) checkFactor(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Passwords, r, fault.NextSignIn); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	ticket, kind := f.Get("step"), mfa.Kind(f.Get("kind"))
	if problem := noAnswer(kind, f); problem != "" {
		return h.renderFactor(w, r, http.StatusUnprocessableEntity, ticket, kind, problem)
	}
	next, err := h.Factors.CheckFactor(w, r, ticket, kind, f, f.Get("remember_device") != "")
	if status, problem := wrongAnswer(kind, err); problem != "" {
		return h.renderFactor(w, r, status, ticket, kind, problem)
	}
	if err != nil {
		return err
	}
	return h.step(w, r, next, false)
}

// noAnswer returns what to say about a form without an answer.
func noAnswer(kind mfa.Kind, f url.Values) string {
	switch {
	case kind == mfa.Passkey && f.Get("credential") == "":
		return "Your browser did not answer. Passkeys need JavaScript; allow it for this page, or choose another way."
	case kind != mfa.Passkey && strings.TrimSpace(f.Get("code")) == "":
		return "Type the code."
	}
	return ""
}

// wrongAnswer returns what to say on the same page about an answer that was not good; other errors have pages of their own.
func wrongAnswer(kind mfa.Kind, err error) (status int, problem string) {
	var e *fault.Error
	switch {
	case errors.Is(err, mfa.ErrWrong) && kind == mfa.Passkey:
		return http.StatusUnauthorized, "That passkey is not one of this account's. Choose another one, or another way."
	case errors.Is(err, mfa.ErrWrong) && kind == mfa.TOTP:
		return http.StatusUnauthorized, "That code is not right. Use the one your app shows now; each works once. If it keeps failing, set your phone's clock to automatic."
	case errors.Is(err, mfa.ErrWrong) && kind == mfa.Recovery:
		return http.StatusUnauthorized, "That is not one of your recovery codes, or it was used already."
	case errors.Is(err, mfa.ErrWrong):
		return http.StatusUnauthorized, "That code is not right. Type the newest one we sent."
	case errors.As(err, &e):
		switch e.Reason {
		case "factor_tries", "factor_send_pause":
			return http.StatusTooManyRequests, e.Sentence
		case "factor_stale":
			return http.StatusUnauthorized, e.Sentence
		case "bad_number", "no_address", "sms_gateway":
			return http.StatusUnprocessableEntity, e.Sentence
		}
	}
	return 0, ""
}

func (h *FactorPages) sendFactor(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Starts, r, fault.NextSignIn); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	kind := mfa.Kind(f.Get("kind"))
	next, err := h.Factors.SendFactor(r, f.Get("step"), kind)
	if status, problem := wrongAnswer(kind, err); problem != "" {
		return h.renderFactor(w, r, status, f.Get("step"), kind, problem)
	}
	if err != nil {
		return err
	}
	return h.step(w, r, next, false)
}

// untilDay writes the end of a grace for people.
func untilDay(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}
