package signin

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
)

// EnrolPage is what the pages of enrolling show.
type EnrolPage struct {
	// Ticket names the step; empty for somebody who is signed in and has chosen nothing yet.
	Ticket string
	// Offer is what can be enrolled.
	Offer []mfa.Info
	// SignIn is true where a sign-in waits for it, Until the end of the grace in which it may be put off; zero is no grace.
	SignIn bool
	Until  time.Time
	Who    string
	// ReturnTo is where the person was going.
	ReturnTo string
	// Kind, Info and View are set on the page of one kind.
	Kind mfa.Kind
	Info mfa.Info
	View any
}

// EnrolChoices returns what the page shows on which somebody chooses a factor to enrol: in a sign-in that ticket names, or, without one, for
// whoever is signed in and has lately proven who they are. Where they have not, the Step leads to the page that asks.
func (f *Flow) EnrolChoices(r *http.Request, ticket, returnTo string) (EnrolPage, Step, error) {
	if ticket == "" {
		return f.enrolSignedIn(r, returnTo)
	}
	st, err := f.find(r, ticket)
	if err != nil {
		return EnrolPage{}, Step{}, err
	}
	if !st.Enrol && st.For != forEnrol {
		return EnrolPage{}, Step{}, errOver
	}
	a, who, err := f.person(r, st)
	if err != nil {
		return EnrolPage{}, Step{}, err
	}
	offer, err := f.Factors.Offer(r.Context(), who)
	page := EnrolPage{Ticket: ticket, Offer: offer, SignIn: st.For == forSignIn, Until: f.grace(st), Who: address(a), ReturnTo: st.ReturnTo}
	return page, Step{}, err
}

// grace returns until when enrolling may be put off, zero where it may not.
func (f *Flow) grace(st step) time.Time {
	if st.For == forSignIn && f.now().Before(st.Until) {
		return st.Until
	}
	return time.Time{}
}

func (f *Flow) enrolSignedIn(r *http.Request, returnTo string) (EnrolPage, Step, error) {
	s, a, next, err := f.settled(r, f.enrolURL(returnTo))
	if err != nil || next.URL != "" {
		return EnrolPage{}, next, err
	}
	offer, err := f.Factors.Offer(r.Context(), personOf(a))
	return EnrolPage{Offer: offer, Who: s.Email, ReturnTo: f.localReturn(returnTo)}, Step{}, err
}

// enrolURL is the page on which somebody who is signed in chooses a factor.
func (f *Flow) enrolURL(returnTo string) string {
	return f.Prefix + "/factor/enrol?" + url.Values{"return_to": {f.localReturn(returnTo)}}.Encode()
}

// settled returns the session and account of somebody who is signed in and has lately proven who they are. Where that is not so, the Step
// says where to go; returnTo is where to come back to.
func (f *Flow) settled(r *http.Request, returnTo string) (*session.Session, *account.Account, Step, error) {
	if f.Factors.Off() {
		return nil, nil, Step{}, errFactorsOff
	}
	s, err := f.Sessions.Lookup(r)
	if err != nil {
		return nil, nil, Step{}, err
	}
	if s == nil {
		return nil, nil, Step{Kind: StepFactor, URL: f.signInURL(returnTo)}, nil
	}
	fresh, err := f.Fresh(r, s)
	if err != nil {
		return nil, nil, Step{}, err
	}
	if !fresh {
		return nil, nil, Step{Kind: StepFactor, URL: f.stepUpURL(returnTo)}, nil
	}
	a, err := f.Accounts.Store.GetAccount(r.Context(), s.AccountID)
	if err != nil {
		return nil, nil, Step{}, err
	}
	return s, a, Step{}, nil
}

var errFactorsOff = fault.New(fault.NotFound, "There are no second steps here.").WithReason("factors_off")

// BeginEnrol begins enrolling one kind. Without a ticket it is for whoever is signed in.
func (f *Flow) BeginEnrol(r *http.Request, ticket, returnTo string, kind mfa.Kind, form url.Values) (Step, error) {
	if ticket == "" {
		return f.beginEnrolSignedIn(r, returnTo, kind, form)
	}
	st, err := f.find(r, ticket)
	if err != nil {
		return Step{}, err
	}
	if !st.Enrol && st.For != forEnrol {
		return Step{}, errOver
	}
	_, who, err := f.person(r, st)
	if err != nil {
		return Step{}, err
	}
	if err := f.pause(st, kind); err != nil {
		return Step{}, err
	}
	state, err := f.enrol(r, who, kind, form)
	if err != nil {
		return Step{}, err
	}
	_, err = f.change(r, st, func(wt *waiting) error {
		wt.Kind, wt.State, wt.Tries, wt.SentAt = kind, state, 0, f.now()
		return nil
	})
	return Step{Kind: StepFactor, URL: f.factorURL("/enrol/"+string(kind), ticket)}, err
}

func (f *Flow) beginEnrolSignedIn(r *http.Request, returnTo string, kind mfa.Kind, form url.Values) (Step, error) {
	s, a, next, err := f.settled(r, f.enrolURL(returnTo))
	if err != nil || next.URL != "" {
		return next, err
	}
	state, err := f.enrol(r, personOf(a), kind, form)
	if err != nil {
		return Step{}, err
	}
	ticket, err := f.hold(r, sessionHolder(s.ID), waiting{
		For: forEnrol, AccountID: a.ID, ReturnTo: f.localReturn(returnTo), Proven: f.provenLately(s), Kind: kind, State: state, SentAt: f.now(),
	})
	return Step{Kind: StepFactor, URL: f.factorURL("/enrol/"+string(kind), ticket)}, err
}

// enrol begins an enrolment, within the limit of what may be sent.
func (f *Flow) enrol(r *http.Request, who mfa.Person, kind mfa.Kind, form url.Values) ([]byte, error) {
	info, err := f.Factors.Info(kind)
	if err != nil {
		return nil, err
	}
	if info.Sends {
		if err := f.maySend(r.Context(), who.ID); err != nil {
			return nil, err
		}
	}
	return f.Factors.Enrol(r.Context(), who, kind, form)
}

// Enrolment returns what the page of one enrolment shows.
func (f *Flow) Enrolment(r *http.Request, ticket string, kind mfa.Kind) (EnrolPage, error) {
	page, _, err := f.EnrolChoices(r, ticket, "")
	if err != nil {
		return EnrolPage{}, err
	}
	st, err := f.find(r, ticket)
	if err != nil {
		return EnrolPage{}, err
	}
	if st.Kind != kind || len(st.State) == 0 {
		return EnrolPage{}, errOver
	}
	_, who, err := f.person(r, st)
	if err != nil {
		return EnrolPage{}, err
	}
	page.Kind = kind
	if page.Info, err = f.Factors.Info(kind); err != nil {
		return EnrolPage{}, err
	}
	page.View, err = f.Factors.EnrolView(who, kind, st.State)
	return page, err
}

// ConfirmEnrol verifies the answer that ends an enrolment, stores the factor and goes on. A wrong answer is mfa.ErrWrong.
func (f *Flow) ConfirmEnrol(w http.ResponseWriter, r *http.Request, ticket string, kind mfa.Kind, form url.Values) (Step, error) {
	st, err := f.find(r, ticket)
	if err != nil {
		return Step{}, err
	}
	if !st.Enrol && st.For != forEnrol || st.Kind != kind {
		return Step{}, errOver
	}
	a, who, err := f.person(r, st)
	if err != nil {
		return Step{}, err
	}
	info, err := f.Factors.Info(kind)
	if err != nil {
		return Step{}, err
	}
	var fresh mfa.Fresh
	st, err = f.guard(r, st, a, info, func(st step) error {
		fresh, err = f.Factors.Confirm(r.Context(), who, kind, st.State, form)
		return err
	})
	if err != nil {
		return Step{}, err
	}
	if st, err = f.use(r, st); err != nil {
		return Step{}, err
	}
	// The password as it was when this began: whoever holds an old one must not add a key to the account.
	if err := f.unchanged(r, st, a); err != nil {
		return Step{}, err
	}
	// Whoever has proven no factor may add one only where there is none yet, however many tabs were open before there was.
	proof, err := f.Factors.Add(r.Context(), who, kind, fresh, form.Get("name"), st.Factor == nil && !st.Proven)
	if err != nil {
		return Step{}, err
	}
	f.Accounts.FactorChanged(r.Context(), a.ID, fmt.Sprintf("A second step was added: %s.", info.Name), "")
	codes, err := f.firstCodes(r, a.ID)
	if err != nil {
		return Step{}, err
	}
	var next Step
	if st.For == forSignIn {
		p := st.progress(a)
		p.factor, p.factorAt = &proof, f.now()
		next, err = f.Next(w, r, p)
	} else {
		next, err = f.stepped(r, st, proof)
	}
	next.Codes, next.Who = codes, cmp.Or(a.Email, a.Username)
	return next, err
}

// unchanged checks that a sign-in which enrols is still what it was.
func (f *Flow) unchanged(r *http.Request, st step, a *account.Account) error {
	if st.For != forSignIn {
		return nil
	}
	return f.recheck(r.Context(), st.progress(a))
}

// firstCodes gives recovery codes to whoever has none.
func (f *Flow) firstCodes(r *http.Request, accountID string) ([]string, error) {
	if _, err := f.Factors.Info(mfa.Recovery); err != nil {
		return nil, nil
	}
	n, err := f.Factors.RecoveryLeft(r.Context(), accountID)
	if err != nil || n > 0 {
		return nil, err
	}
	return f.Factors.NewRecoveryCodes(r.Context(), accountID)
}

// SkipEnrol goes on without a factor where the grace still allows it.
func (f *Flow) SkipEnrol(w http.ResponseWriter, r *http.Request, ticket string) (Step, error) {
	st, err := f.find(r, ticket)
	if err != nil {
		return Step{}, err
	}
	if !st.Enrol || f.grace(st).IsZero() {
		return Step{}, errOver
	}
	a, _, err := f.person(r, st)
	if err != nil {
		return Step{}, err
	}
	if st, err = f.use(r, st); err != nil {
		return Step{}, err
	}
	p := st.progress(a)
	p.later = true
	return f.Next(w, r, p)
}

// stepped notes a proven factor on the session that asked for it. It is the only place that does so for a session that exists.
func (f *Flow) stepped(r *http.Request, st step, proof mfa.Proof) (Step, error) {
	_, err := f.Sessions.Update(r.Context(), st.session.ID, func(s *session.Session) error {
		if s.AccountID != st.AccountID {
			return errOver
		}
		s.FactorAt, s.AMR = f.now(), withFactor(s.AMR, proof.AMR)
		return nil
	})
	if fault.Is(err, fault.NotFound) {
		return Step{}, errOver
	}
	if err != nil {
		return Step{}, err
	}
	f.Audit.Record(r.Context(), audit.Event{Kind: audit.SteppedUp, AccountID: st.AccountID, Provider: st.session.Provider, Reason: string(proof.Kind)}.From(r.Context()))
	return Step{Kind: StepDone, URL: st.ReturnTo}, nil
}
