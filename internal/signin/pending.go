package signin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

// What a pending step is for.
const (
	// forSignIn holds a sign-in whose first proof is there.
	forSignIn = "sign_in"
	// forStepUp asks somebody who is signed in for a factor again.
	forStepUp = "step_up"
	// forEnrol lets somebody who is signed in enrol a factor.
	forEnrol = "enrol"
	// forChange holds a new password for somebody who has a second factor to prove first.
	forChange = "change"
)

// sealPurpose binds a sealed state to this use.
const sealPurpose = "pending-step"

// waiting is what is known of a step that waits. It is sealed where it is kept: it holds what a provider said.
type waiting struct {
	For       string `json:"for"`
	AccountID string `json:"account_id"`
	ReturnTo  string `json:"return_to"`

	// What a sign-in has proven so far.
	Via               string            `json:"via,omitempty"`
	Identity          identity.Identity `json:"identity,omitzero"`
	PasswordChangedAt time.Time         `json:"password_changed_at,omitzero"`
	Remember          bool              `json:"remember,omitempty"`
	// Factor is a stand-in that was proven before a real factor is enrolled, FactorAt when.
	Factor   *mfa.Proof `json:"factor,omitempty"`
	FactorAt time.Time  `json:"factor_at,omitzero"`

	// Identifier, Password and NewPassword are those of a change.
	Identifier  string `json:"identifier,omitempty"`
	Password    string `json:"password,omitempty"`
	NewPassword string `json:"new_password,omitempty"`

	// Enrol asks for enrolling instead of checking.
	Enrol bool `json:"enrol,omitempty"`
	// Until is the end of the grace in which enrolling may be put off.
	Until time.Time `json:"until,omitzero"`
	// Every is true where no remembered device may stand in next time.
	Every bool `json:"every,omitempty"`
	// Proven is true where whoever is signed in had proven a factor when this began.
	Proven bool `json:"proven,omitempty"`

	// The ceremony under way: its kind, what the factor remembers, wrong answers so far, and when something was sent.
	Kind   mfa.Kind  `json:"kind,omitempty"`
	State  []byte    `json:"state,omitempty"`
	Tries  int       `json:"tries,omitempty"`
	SentAt time.Time `json:"sent_at,omitzero"`
}

// step is a waiting that was found, and where.
type step struct {
	waiting
	ticket, digest, holder string
	// session is that of somebody who is signed in; nil for a sign-in.
	session *session.Session
}

// errOver is the answer to a step that is used up, too old, or another browser's.
var errOver = fault.New(fault.Expired, "This step has expired, was already used, or was begun in another browser. Please start again.").
	WithNext(fault.NextSignIn).WithReason("step_unknown")

// hold saves a step for a holder and returns its ticket. The ticket stands in the page's address; alone it opens nothing.
func (f *Flow) hold(r *http.Request, holder string, wt waiting) (ticket string, err error) {
	ticket = token.NewSecret()
	state, err := f.sealWaiting(wt)
	if err != nil {
		return "", err
	}
	now := f.now()
	return ticket, f.Pending.CreatePending(r.Context(), session.Pending{
		Digest: token.Digest(ticket), Holder: holder, State: state, CreatedAt: now, ExpiresAt: now.Add(AttemptLifetime),
	}, MaxAttempts)
}

func (f *Flow) sealWaiting(wt waiting) (string, error) {
	b, err := json.Marshal(wt)
	if err != nil {
		return "", fmt.Errorf("write pending step: %w", err)
	}
	return f.Sealer.Seal(sealPurpose, b), nil
}

func (f *Flow) openWaiting(p session.Pending) (wt waiting, err error) {
	b, err := f.Sealer.Open(sealPurpose, p.State)
	if err == nil {
		err = json.Unmarshal(b, &wt)
	}
	if err != nil {
		return wt, fmt.Errorf("read pending step: %w", err)
	}
	return wt, nil
}

// find returns the step that a ticket names, if this browser or its session is the holder.
func (f *Flow) find(r *http.Request, ticket string) (step, error) {
	if f.Factors.Off() || !token.WellFormed(ticket) {
		return step{}, errOver
	}
	ctx, digest := r.Context(), token.Digest(ticket)
	if browser, ok := f.Sessions.BrowserDigest(r); ok {
		p, err := f.Pending.GetPending(ctx, digest, browserHolder(browser), f.now())
		if err == nil {
			wt, err := f.openWaiting(p)
			return step{waiting: wt, ticket: ticket, digest: digest, holder: p.Holder}, err
		}
		if !fault.Is(err, fault.NotFound) {
			return step{}, err
		}
	}
	s, err := f.Sessions.Lookup(r)
	if err != nil {
		return step{}, err
	}
	if s == nil {
		return step{}, errOver
	}
	p, err := f.Pending.GetPending(ctx, digest, sessionHolder(s.Bound()), f.now())
	if fault.Is(err, fault.NotFound) {
		return step{}, errOver
	}
	if err != nil {
		return step{}, err
	}
	wt, err := f.openWaiting(p)
	return step{waiting: wt, ticket: ticket, digest: digest, holder: p.Holder, session: s}, err
}

func browserHolder(digest string) string { return "browser:" + digest }
func sessionHolder(bound string) string  { return "session:" + bound }

// change changes a step in place, one after another with everybody else who does, and returns it as written.
func (f *Flow) change(r *http.Request, st step, do func(*waiting) error) (step, error) {
	var written waiting
	_, err := f.Pending.UpdatePending(r.Context(), st.digest, st.holder, f.now(), func(p *session.Pending) error {
		wt, err := f.openWaiting(*p)
		if err != nil {
			return err
		}
		if err := do(&wt); err != nil {
			return err
		}
		written = wt
		p.State, err = f.sealWaiting(wt)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return st, errOver
	}
	st.waiting = written
	return st, err
}

// use uses a step up: of many who come with one ticket exactly one goes on.
func (f *Flow) use(r *http.Request, st step) (step, error) {
	p, err := f.Pending.TakePending(r.Context(), st.digest, st.holder, f.now())
	if fault.Is(err, fault.NotFound) {
		return st, errOver
	}
	if err != nil {
		return st, err
	}
	st.waiting, err = f.openWaiting(p)
	return st, err
}

// person returns whose step it is, as the account is now.
func (f *Flow) person(r *http.Request, st step) (*account.Account, mfa.Person, error) {
	a, err := f.Accounts.Store.GetAccount(r.Context(), st.AccountID)
	if fault.Is(err, fault.NotFound) {
		return nil, mfa.Person{}, errOver
	}
	if err != nil {
		return nil, mfa.Person{}, err
	}
	if a.State != account.Active {
		return nil, mfa.Person{}, errDisabled
	}
	return a, personOf(a), nil
}

func personOf(a *account.Account) mfa.Person {
	return mfa.Person{ID: a.ID, Name: a.Name, Email: a.Email, Username: a.Username}
}

var errLockedSince = fault.New(fault.TooMany, "Somebody has tried wrong passwords for your account in the meantime, so it is locked for a while. A mail to you says for how long.").
	WithReason("locked").WithNext(fault.NextHelp)

var errDisabled = fault.New(fault.Forbidden, "This account is disabled. Please ask your administrator.").WithReason("account_disabled")

// progress is what a sign-in had proven when it began to wait, with the account as it is now and the password as it was then.
func (st step) progress(a *account.Account) progress {
	b := *a
	b.PasswordChangedAt = st.PasswordChangedAt
	return progress{account: &b, via: st.Via, identity: st.Identity, remember: st.Remember, returnTo: st.ReturnTo, factor: st.Factor, factorAt: st.FactorAt, waited: true}
}

// factorURL is the address of a page about a pending step.
func (f *Flow) factorURL(path, ticket string) string {
	return f.Prefix + "/factor" + path + "?" + url.Values{"step": {ticket}}.Encode()
}
