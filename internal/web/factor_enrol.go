package web

import (
	"net/http"
	"net/url"

	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/signin"
)

// enrolPage is the Data of the page "factor_choose".
type enrolPage struct {
	Step, ReturnTo, Who, Problem string
	Offer                        []offered
	// SignIn is true where a sign-in waits for it, Until when it may be put off no longer; empty is not at all.
	SignIn bool
	Until  string
	// Phone is what was typed.
	Phone     string
	CancelURL string
}

// offered is one factor to choose.
type offered struct {
	Kind        mfa.Kind
	Name, About string
}

func (h *FactorPages) showEnrol(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return h.renderChoices(w, r, http.StatusOK, q.Get("step"), q.Get("return_to"), "", "")
}

func (h *FactorPages) renderChoices(w http.ResponseWriter, r *http.Request, status int, ticket, back, phone, problem string) error {
	p, next, err := h.Factors.EnrolChoices(r, ticket, back)
	if err != nil {
		return err
	}
	if next.URL != "" {
		redirect(w, r, next.URL)
		return nil
	}
	data := enrolPage{Step: ticket, ReturnTo: p.ReturnTo, Who: p.Who, Problem: problem, SignIn: p.SignIn, Until: untilDay(p.Until), Phone: phone, CancelURL: h.cancelEnrol(p)}
	for _, o := range p.Offer {
		data.Offer = append(data.Offer, offered{Kind: o.Kind, Name: o.Name, About: o.About})
	}
	return h.Pages.Render(w, r, status, "factor_choose", data)
}

// cancelEnrol is where somebody goes who does not set anything up after all.
func (h *FactorPages) cancelEnrol(p signin.EnrolPage) string {
	if p.SignIn {
		return h.below("/sign-in")
	}
	return h.below("/factor/manage")
}

func (h *FactorPages) beginEnrol(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Starts, r, fault.NextSignIn); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	kind := mfa.Kind(f.Get("kind"))
	next, err := h.Factors.BeginEnrol(r, f.Get("step"), f.Get("return_to"), kind, f)
	if status, problem := wrongAnswer(kind, err); problem != "" {
		return h.renderChoices(w, r, status, f.Get("step"), f.Get("return_to"), f.Get("phone"), problem)
	}
	if err != nil {
		return err
	}
	return h.step(w, r, next, false)
}

func (h *FactorPages) showEnrolment(w http.ResponseWriter, r *http.Request) error {
	return h.renderEnrolment(w, r, http.StatusOK, r.URL.Query().Get("step"), "")
}

func (h *FactorPages) renderEnrolment(w http.ResponseWriter, r *http.Request, status int, ticket, problem string) error {
	p, err := h.Factors.Enrolment(r, ticket, mfa.Kind(r.PathValue("kind")))
	if err != nil {
		return err
	}
	data := factorPage{Enrol: true, Kind: p.Kind, Step: ticket, View: p.View, Who: p.Who, Problem: problem,
		CancelURL: h.Prefix + "/factor/enrol?" + url.Values{"step": {ticket}}.Encode()}
	return h.Pages.Render(w, r, status, "factor_"+string(p.Kind), data)
}

func (h *FactorPages) confirmEnrol(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Passwords, r, fault.NextSignIn); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	ticket, kind := f.Get("step"), mfa.Kind(r.PathValue("kind"))
	if problem := noAnswer(kind, f); problem != "" {
		return h.renderEnrolment(w, r, http.StatusUnprocessableEntity, ticket, problem)
	}
	next, err := h.Factors.ConfirmEnrol(w, r, ticket, kind, f)
	if status, problem := wrongAnswer(kind, err); problem != "" {
		if kind == mfa.Passkey && status == http.StatusUnauthorized {
			problem = "Your browser's answer could not be used. Please try again, or choose another way."
		}
		return h.renderEnrolment(w, r, status, ticket, problem)
	}
	if err != nil {
		return err
	}
	return h.step(w, r, next, true)
}

func (h *FactorPages) skipEnrol(w http.ResponseWriter, r *http.Request) error {
	f, err := form(w, r)
	if err != nil {
		return err
	}
	next, err := h.Factors.SkipEnrol(w, r, f.Get("step"))
	if err != nil {
		return err
	}
	return h.step(w, r, next, false)
}
