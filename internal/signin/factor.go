package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/throttle"
)

const (
	// sendLimit codes go to one account within sendWindow, by whatever way.
	sendLimit  = 5
	sendWindow = 15 * time.Minute
	// sendPause lies between two codes of one step.
	sendPause = 30 * time.Second
)

var (
	errFactorLocked = fault.New(fault.TooMany, "There were too many wrong codes for this account. Wait a while, then sign in again; a mail to you says for how long.").
			WithReason("factor_locked").WithNext(fault.NextSignIn)
	errTooManyTries = fault.New(fault.TooMany, "That was wrong too often. Ask for a new code.").WithReason("factor_tries")
	errSentTooOften = fault.New(fault.TooMany, "Codes were sent to you several times already. Look for the newest one, or wait a quarter of an hour.").
			WithReason("factor_send_limit").WithNext(fault.NextSignIn)
	errSentJustNow = fault.New(fault.TooMany, "A code was sent just now. Give it half a minute.").WithReason("factor_send_pause")
)

// second decides what follows a first proof: a factor, enrolling one, or the session.
func (f *Flow) second(w http.ResponseWriter, r *http.Request, p progress) (Step, error) {
	n, err := f.demanded(r.Context(), r, p)
	if err != nil {
		return Step{}, err
	}
	if n.demand == demandNothing {
		p.device = n.device
		return f.finish(w, r, p)
	}
	wt := waiting{
		For: forSignIn, AccountID: p.account.ID, ReturnTo: p.returnTo, Via: p.via, Identity: p.identity, PasswordChangedAt: p.account.PasswordChangedAt,
		Remember: p.remember, Factor: p.factor, FactorAt: p.factorAt, Every: n.every, Until: n.until, Enrol: n.demand == demandEnrol,
	}
	path := "/enrol"
	if n.demand == demandFactor {
		path = ""
		f.start(r, &wt, personOf(p.account), n.choices[0])
	}
	ticket, err := f.hold(r, browserHolder(f.Sessions.Browser(w, r)), wt)
	if err != nil {
		return Step{}, err
	}
	return Step{Kind: StepFactor, URL: f.factorURL(path, ticket)}, nil
}

// start begins the check that the page will show first, so that a code is on its way before it is asked for. Where that does not work
// the page offers to try again.
func (f *Flow) start(r *http.Request, wt *waiting, who mfa.Person, with mfa.Info) {
	wt.Kind = with.Kind
	if !with.Sends {
		return
	}
	if err := f.maySend(r.Context(), who.ID); err != nil {
		return
	}
	if state, err := f.Factors.Begin(r.Context(), who, with.Kind); err == nil {
		wt.State, wt.SentAt = state, f.now()
	}
}

// FactorPage is what the page of a check shows.
type FactorPage struct {
	// Kind names the template, Ticket the step.
	Kind   mfa.Kind
	Ticket string
	Info   mfa.Info
	// View is the factor's own.
	View any
	// Others are the other ways.
	Others []mfa.Info
	// Who is the account's address or name.
	Who string
	// CanRemember offers to let this browser stand in next time, for Remember.
	CanRemember bool
	Remember    time.Duration
	// StepUp is true for somebody who is signed in already, ReturnTo where they were going.
	StepUp   bool
	ReturnTo string
}

// Factor returns what the page of a check shows. Kind chooses another way than the one under way; "" keeps it.
func (f *Flow) Factor(r *http.Request, ticket string, kind mfa.Kind) (FactorPage, error) {
	st, err := f.find(r, ticket)
	if err != nil {
		return FactorPage{}, err
	}
	if st.Enrol || st.For == forEnrol {
		return FactorPage{}, errOver
	}
	a, who, err := f.person(r, st)
	if err != nil {
		return FactorPage{}, err
	}
	choices, err := f.Factors.Choices(r.Context(), a.ID)
	if err != nil {
		return FactorPage{}, err
	}
	info, ok := choose(choices.Ways, kind, st.Kind)
	if !ok {
		return FactorPage{}, errOver // removed meanwhile, by the person or by an administrator
	}
	// What sends waits for a button: an address must not send anything by being opened.
	if info.Kind != st.Kind || len(st.State) == 0 && !info.Sends {
		if st, err = f.switchTo(r, st, who, info); err != nil {
			return FactorPage{}, err
		}
	}
	view, err := f.Factors.View(r.Context(), who, info.Kind, st.State)
	if err != nil {
		return FactorPage{}, err
	}
	page := FactorPage{Kind: info.Kind, Ticket: ticket, Info: info, View: view, Who: address(a), StepUp: st.For == forStepUp, ReturnTo: st.ReturnTo,
		Remember: f.Factors.Config().RememberDevice}
	page.CanRemember = page.Remember > 0 && !st.Every && !page.StepUp && !info.Backup
	page.Others = slices.DeleteFunc(choices.Ways, func(i mfa.Info) bool { return i.Kind == info.Kind })
	return page, nil
}

func address(a *account.Account) string {
	if a.Email != "" {
		return a.Email
	}
	return a.Username
}

// choose returns the way that was asked for, else the one under way, else the first.
func choose(ways []mfa.Info, asked, underWay mfa.Kind) (mfa.Info, bool) {
	for _, k := range []mfa.Kind{asked, underWay} {
		if i := slices.IndexFunc(ways, func(w mfa.Info) bool { return w.Kind == k }); i >= 0 {
			return ways[i], true
		}
	}
	if len(ways) == 0 {
		return mfa.Info{}, false
	}
	return ways[0], true
}

// switchTo makes another way the one under way. Wrong answers to what was sent before count on where the same way comes back.
func (f *Flow) switchTo(r *http.Request, st step, who mfa.Person, info mfa.Info) (step, error) {
	var state []byte
	if !info.Sends {
		var err error
		if state, err = f.Factors.Begin(r.Context(), who, info.Kind); err != nil {
			return st, err
		}
	}
	return f.change(r, st, func(wt *waiting) error {
		wt.Kind, wt.State, wt.Tries = info.Kind, state, 0
		return nil
	})
}

// SendFactor sends a code for a check, again where one was sent before. It fails with fault.TooMany where that happens too often.
func (f *Flow) SendFactor(r *http.Request, ticket string, kind mfa.Kind) (Step, error) {
	st, err := f.find(r, ticket)
	if err != nil {
		return Step{}, err
	}
	if st.Enrol || st.For == forEnrol {
		return Step{}, errOver
	}
	_, who, err := f.person(r, st)
	if err != nil {
		return Step{}, err
	}
	info, err := f.Factors.Info(kind)
	if err != nil {
		return Step{}, err
	}
	if !info.Sends {
		return Step{}, errOver
	}
	if err := f.pause(st, kind); err != nil {
		return Step{}, err
	}
	if err := f.maySend(r.Context(), who.ID); err != nil {
		return Step{}, err
	}
	state, err := f.Factors.Begin(r.Context(), who, kind)
	if err != nil {
		return Step{}, err
	}
	_, err = f.change(r, st, func(wt *waiting) error {
		wt.Kind, wt.State, wt.Tries, wt.SentAt = kind, state, 0, f.now()
		return nil
	})
	return Step{Kind: StepFactor, URL: f.factorURL("", ticket)}, err
}

// pause refuses to send again what was sent just now.
func (f *Flow) pause(st step, kind mfa.Kind) error {
	if st.Kind == kind && len(st.State) > 0 && f.now().Sub(st.SentAt) < sendPause {
		return errSentJustNow
	}
	return nil
}

// maySend counts a code that is about to be sent to an account. It counts where failed sign-ins are counted, so all replicas count together.
func (f *Flow) maySend(ctx context.Context, accountID string) error {
	limit := throttle.Lockout{Store: f.Accounts.Lockout.Store, Now: f.Now, Config: throttle.Config{Failures: sendLimit, Window: sendWindow, Duration: sendWindow}}
	ok, _, err := limit.Begin(ctx, throttle.Key("factor-send", accountID))
	if err == nil && !ok {
		err = errSentTooOften
	}
	return err
}

// CheckFactor verifies an answer and goes on. A wrong one is mfa.ErrWrong and leaves the step as it was; too many are fault.TooMany. Remember
// lets this browser stand in next time.
func (f *Flow) CheckFactor(w http.ResponseWriter, r *http.Request, ticket string, kind mfa.Kind, form url.Values, remember bool) (Step, error) {
	st, err := f.find(r, ticket)
	if err != nil {
		return Step{}, err
	}
	if st.Enrol || st.For == forEnrol {
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
	var proof mfa.Proof
	st, err = f.guard(r, st, a, info, func(st step) error {
		state := st.State
		if st.Kind != kind {
			state = nil // the answer belongs to another challenge than the one under way
		}
		proof, err = f.Factors.Check(r.Context(), who, kind, state, form)
		return err
	})
	if err != nil {
		return Step{}, err
	}
	if st, err = f.use(r, st); err != nil {
		return Step{}, err
	}
	f.Audit.Record(r.Context(), audit.Event{Kind: audit.FactorProven, AccountID: a.ID, Provider: a.Owner, Reason: string(kind)}.From(r.Context()))
	if st.For == forStepUp {
		return f.stepped(w, r, st, proof)
	}
	next, err := f.proven(w, r, st, a, proof)
	if err == nil && next.Kind == StepDone && remember && !st.Every && !info.Backup {
		// Only now: what was refused at the last moment leaves no device behind.
		err = f.rememberDevice(w, r, a.ID)
	}
	return next, err
}

// proven goes on with what waited for a factor.
func (f *Flow) proven(w http.ResponseWriter, r *http.Request, st step, a *account.Account, proof mfa.Proof) (Step, error) {
	if st.For == forChange {
		return f.changeHeld(w, r, st, proof)
	}
	p := st.progress(a)
	p.factor, p.factorAt = &proof, f.now()
	return f.Next(w, r, p)
}

// guard lets an answer be looked at if it may be, and counts it: for its challenge, and for the account across all factors, tabs and
// sign-ins that are under way. Counting comes first, so that parallel guesses cannot all slip under a limit.
func (f *Flow) guard(r *http.Request, st step, a *account.Account, info mfa.Info, look func(step) error) (step, error) {
	ctx, lockedNow, key := r.Context(), false, throttle.FactorKey(a.ID)
	if info.Guessable {
		allowed, now, err := f.Accounts.Lockout.Begin(ctx, key)
		if err != nil {
			return st, err
		}
		if lockedNow = now; !allowed {
			f.factorRefused(ctx, a, info.Kind, "locked")
			return st, errFactorLocked
		}
	}
	st, err := f.change(r, st, func(wt *waiting) error {
		if wt.Kind == info.Kind {
			if wt.Tries++; info.Tries > 0 && wt.Tries > info.Tries {
				return errTooManyTries
			}
		}
		return nil
	})
	if err != nil {
		return st, err
	}
	err = look(st)
	switch {
	case err == nil && info.Guessable:
		return st, f.Accounts.Lockout.Succeed(ctx, key)
	case err == nil:
		return st, nil
	case errors.Is(err, mfa.ErrCopied):
		f.Audit.Record(ctx, audit.Event{Kind: audit.PasskeyCopied, AccountID: a.ID, Provider: a.Owner}.From(ctx))
	case errors.Is(err, mfa.ErrWrong):
		f.factorRefused(ctx, a, info.Kind, "wrong")
	}
	if lockedNow {
		f.Accounts.FactorLocked(ctx, a)
	}
	return st, err
}

func (f *Flow) factorRefused(ctx context.Context, a *account.Account, kind mfa.Kind, why string) {
	f.Audit.Record(ctx, audit.Event{Kind: audit.FactorRefused, AccountID: a.ID, Provider: a.Owner, Reason: string(kind) + "_" + why}.From(ctx))
}

// rememberDevice lets the browser stand in for the second factor of an account.
func (f *Flow) rememberDevice(w http.ResponseWriter, r *http.Request, accountID string) error {
	secret, err := f.Factors.RememberDevice(r.Context(), accountID)
	if err != nil || secret == "" {
		return err
	}
	f.Sessions.AddDeviceSecret(w, r, secret, f.Factors.Config().RememberDevice)
	return nil
}
