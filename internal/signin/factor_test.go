package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
	"crmgate/internal/realtest/softkey"
	"crmgate/internal/throttle"
)

// signedUp returns somebody with an authenticator app who is signed in nowhere, a minute after it was set up.
func signedUp(t *testing.T, change func(*mfa.Config)) (*world, *person) {
	t.Helper()
	w := newWorld(t, change)
	p, b := w.add("pat", account.OwnerLocal), w.browser()
	must(t)(b.prove(p))
	must(t)(b.setUpApp(p, ""))
	w.now = w.now.Add(time.Minute)
	for _, id := range w.sessionsOf(p.ID) {
		if err := w.store.DeleteSession(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	return w, p
}

func must(t *testing.T) func(Step, error) Step {
	t.Helper()
	return func(s Step, err error) Step {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func wantReason(t *testing.T, what string, err error, reason string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != reason {
		t.Errorf("%s: %v, want %s", what, err, reason)
	}
}

func (p *person) code(w *world) url.Values {
	c, _ := p.apps[0].code(w.now)
	return typed(c)
}

// Fifty posts with one right code make one session (ASVS 6.5.1), whichever factor it is.
func TestRaces(t *testing.T) {
	w, p := signedUp(t, nil)
	b := w.browser()
	race := func(what string, post func(*browser) (Step, error)) {
		t.Helper()
		before := len(w.sessionsOf(p.ID))
		var wg sync.WaitGroup
		for range 50 {
			tab := &browser{w: w, cookies: map[string]string{}}
			for name, v := range b.cookies {
				tab.cookies[name] = v
			}
			wg.Go(func() { _, _ = post(tab) })
		}
		wg.Wait()
		if n := len(w.sessionsOf(p.ID)) - before; n != 1 {
			t.Errorf("%s: %d sessions", what, n)
		}
	}
	tk := ticket(must(t)(b.prove(p)))
	race("a code of an app", func(tab *browser) (Step, error) { return tab.check(tk, mfa.TOTP, p.code(w), false) })
	w.now = w.now.Add(time.Minute)
	tk = ticket(must(t)(b.prove(p)))
	race("a recovery code", func(tab *browser) (Step, error) { return tab.check(tk, mfa.Recovery, typed(p.recovery[0]), false) })
	q := w.add("mailed", account.OwnerLocal)
	p = q
	must(t)(b.prove(q))
	enrol := ticket(must(t)(b.beginEnrol("", mfa.Email)))
	must(t)(b.confirmEnrol(enrol, mfa.Email, typed(w.codes[q.ID])))
	delete(b.cookies, "__Host-crmgate_session")
	tk = ticket(must(t)(b.prove(q)))
	race("a code by mail", func(tab *browser) (Step, error) { return tab.check(tk, mfa.Email, typed(w.codes[q.ID]), false) })
}

// A ticket is its own browser's, for ten minutes, and what was proven before must still hold.
func TestTickets(t *testing.T) {
	w, p := signedUp(t, nil)
	b, other := w.browser(), w.browser()
	tk := ticket(must(t)(b.prove(p)))
	must(t)(other.prove(w.add("mallory", account.OwnerLocal)))
	_, err := other.check(tk, mfa.TOTP, p.code(w), false)
	wantReason(t, "another browser", err, "step_unknown")
	for _, junk := range []string{"", "x", strings.Repeat("A", 43), tk + "A"} {
		_, err := b.check(junk, mfa.TOTP, p.code(w), false)
		wantReason(t, "ticket "+junk, err, "step_unknown")
	}
	_, err = b.beginEnrol(tk, mfa.TOTP)
	wantReason(t, "enrolling where a factor is asked for", err, "step_unknown")
	_, err = b.skip(tk)
	wantReason(t, "putting off what is asked for", err, "step_unknown")
	was := w.now
	w.now = w.now.Add(10 * time.Minute)
	_, err = b.check(tk, mfa.TOTP, p.code(w), false)
	wantReason(t, "ten minutes later", err, "step_unknown")
	w.now = was

	for name, change := range map[string]struct {
		do     func() error
		reason string
	}{
		"disabled": {func() error {
			_, err := w.store.UpdateAccount(t.Context(), p.ID, func(a *account.Account) error { a.State = account.Disabled; return nil })
			return err
		}, "account_disabled"},
		"a new password": {func() error {
			l, _ := p.Local()
			return w.store.SetPassword(t.Context(), l, "hash", 0, w.now)
		}, "step_unknown"},
		"locked by a stranger's guesses": {func() error {
			for range 10 {
				if _, _, err := w.Accounts.Lockout.Begin(t.Context(), throttle.AccountKey(p.ID)); err != nil {
					return err
				}
			}
			return nil
		}, "locked"},
	} {
		if _, err := w.store.UpdateAccount(t.Context(), p.ID, func(a *account.Account) error { a.State = account.Active; return nil }); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Hour)
		tk := ticket(must(t)(b.prove(p)))
		if err := change.do(); err != nil {
			t.Fatal(err)
		}
		_, err := b.check(tk, mfa.TOTP, p.code(w), true)
		wantReason(t, name, err, change.reason)
		if n := w.sessionsOf(p.ID); len(n) > 0 {
			t.Errorf("%s: session %v", name, n)
		}
		if len(b.cookies["__Host-crmgate_device"]) > 0 {
			t.Errorf("%s: the browser is remembered", name)
		}
	}
}

// Ten wrong codes lock, whatever factor, tab or sign-in they come by; a passkey still opens (ASVS 6.6.3).
func TestGuessing(t *testing.T) {
	w, p := signedUp(t, nil)
	b := w.browser()
	must(t)(b.prove(p))
	wrong := 0
	for _, kind := range []mfa.Kind{mfa.TOTP, mfa.Recovery} {
		for range 5 {
			tk := ticket(must(t)(b.prove(p)))
			if _, err := b.check(tk, kind, typed("000000"), false); errors.Is(err, mfa.ErrWrong) {
				wrong++
			}
		}
	}
	if wrong != 10 {
		t.Errorf("%d guesses were looked at", wrong)
	}
	tk := ticket(must(t)(b.prove(p)))
	for _, form := range []url.Values{p.code(w), typed(p.recovery[0])} {
		_, err := b.check(tk, mfa.TOTP, form, false)
		wantReason(t, "the right code after ten wrong ones", err, "factor_locked")
	}
	w.now = w.now.Add(16 * time.Minute)
	tk = ticket(must(t)(b.prove(p)))
	if next := must(t)(b.check(tk, mfa.TOTP, p.code(w), false)); next.Kind != StepDone {
		t.Errorf("after the lock: %+v", next)
	}
}

// A hundred wrong codes in a row, however slow, lock until an administrator opens the account (63B-4 section 3.2.2).
func TestGuessingSlowly(t *testing.T) {
	w, p := signedUp(t, nil)
	b := w.browser()
	for n := 0; n < 100; n++ {
		if w.now = w.now.Add(2 * time.Minute); n%9 == 0 {
			w.now = w.now.Add(time.Hour)
		}
		tk := ticket(must(t)(b.prove(p)))
		if _, err := b.check(tk, mfa.TOTP, typed("000000"), false); !errors.Is(err, mfa.ErrWrong) {
			t.Fatalf("guess %d: %v", n, err)
		}
	}
	w.now = w.now.Add(1000 * time.Hour)
	tk := ticket(must(t)(b.prove(p)))
	_, err := b.check(tk, mfa.TOTP, p.code(w), false)
	wantReason(t, "the right code after a hundred wrong ones", err, "factor_locked")
	if err := w.Accounts.Unlock(t.Context(), p.ID, "cli"); err != nil {
		t.Fatal(err)
	}
	if next := must(t)(b.check(tk, mfa.TOTP, p.code(w), false)); next.Kind != StepDone {
		t.Errorf("unlocked: %+v", next)
	}
}

// A hundred guesses at once are ten.
func TestGuessingAtOnce(t *testing.T) {
	w, p := signedUp(t, nil)
	b := w.browser()
	tk := ticket(must(t)(b.prove(p)))
	var mu sync.Mutex
	looked := 0
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := b.check(tk, mfa.TOTP, typed("000000"), false); errors.Is(err, mfa.ErrWrong) {
				mu.Lock()
				looked++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if looked != 10 {
		t.Errorf("%d of 100 parallel guesses were looked at", looked)
	}
}

// Codes go out five times in a quarter of an hour and not twice in half a minute; a code bears five wrong answers (ASVS 6.6.4).
func TestSending(t *testing.T) {
	w := newWorld(t, nil)
	p, b := w.add("pat", account.OwnerLocal), w.browser()
	must(t)(b.prove(p))
	tk := ticket(must(t)(b.beginEnrol("", mfa.Email)))
	must(t)(b.confirmEnrol(tk, mfa.Email, typed(w.codes[p.ID])))
	tk = ticket(must(t)(b.prove(p)))
	if w.mails != 2 {
		t.Fatalf("%d mails: one to enrol, one to sign in", w.mails)
	}
	_, err := b.send(tk, mfa.Email)
	wantReason(t, "at once", err, "factor_send_pause")
	if _, err := b.page(tk, ""); err != nil || w.mails != 2 {
		t.Errorf("looking at the page sent mail: %v", err)
	}
	for range 5 {
		if _, err := b.check(tk, mfa.Email, typed("x"), false); !errors.Is(err, mfa.ErrWrong) {
			t.Errorf("a wrong code: %v", err)
		}
	}
	_, err = b.check(tk, mfa.Email, typed(w.codes[p.ID]), false)
	wantReason(t, "the sixth try", err, "factor_tries")
	old := w.codes[p.ID]
	for range 3 {
		w.now = w.now.Add(31 * time.Second)
		must(t)(b.send(tk, mfa.Email))
	}
	w.now = w.now.Add(31 * time.Second)
	_, err = b.send(tk, mfa.Email)
	wantReason(t, "the sixth mail", err, "factor_send_limit")
	tk2 := ticket(must(t)(b.prove(p)))
	if w.mails != 5 {
		t.Errorf("%d mails", w.mails)
	}
	if page, err := b.page(tk2, ""); err != nil || page.View.(mfa.SentView).Sent {
		t.Errorf("a code that was not sent is announced: %+v, %v", page, err)
	}
	if _, err := b.check(tk, mfa.Email, typed(old), false); !errors.Is(err, mfa.ErrWrong) && old != w.codes[p.ID] {
		t.Errorf("an older code: %v", err)
	}
	if next := must(t)(b.check(tk, mfa.Email, typed(w.codes[p.ID]), false)); next.Kind != StepDone {
		t.Errorf("the newest code: %+v", next)
	}
}

// A tab that was opened before there was a factor adds none afterwards, in a sign-in or signed in.
func TestOldTabsAddNothing(t *testing.T) {
	w := newWorld(t, func(c *mfa.Config) { c.Policy = mfa.PolicyRequired })
	p, owner, thief := w.add("pat", account.OwnerLocal), w.browser(), w.browser()
	old := ticket(must(t)(thief.prove(p)))
	old = ticket(must(t)(thief.beginEnrol(old, mfa.TOTP)))
	must(t)(owner.setUpApp(p, ticket(must(t)(owner.prove(p)))))
	_, form, err := thief.app(old)
	if err != nil {
		t.Fatal(err)
	}
	_, err = thief.confirmEnrol(old, mfa.TOTP, form)
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("a sign-in of before: %v", err)
	}

	w = newWorld(t, nil)
	p, owner, thief = w.add("pat", account.OwnerLocal), w.browser(), w.browser()
	must(t)(thief.prove(p))
	must(t)(owner.prove(p))
	old = ticket(must(t)(thief.beginEnrol("", mfa.TOTP)))
	must(t)(owner.setUpApp(p, ""))
	_, form, err = thief.app(old)
	if err != nil {
		t.Fatal(err)
	}
	_, err = thief.confirmEnrol(old, mfa.TOTP, form)
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("a session of before: %v", err)
	}
	if next := must(t)(thief.beginEnrol("", mfa.TOTP)); !strings.HasPrefix(next.URL, "/_gate/factor/step-up?") {
		t.Errorf("a new tab of that session: %+v", next)
	}
}

func TestGrace(t *testing.T) {
	w := newWorld(t, func(c *mfa.Config) { c.RequiredFor.Groups, c.EnrolmentGrace = []string{"finance"}, 24*time.Hour })
	p, b := w.add("fin", account.OwnerLocal, "finance"), w.browser()
	tk := ticket(must(t)(b.prove(p)))
	w.now = w.now.Add(5 * time.Minute)
	if next := must(t)(b.skip(tk)); next.Kind != StepDone || b.session() == nil || !b.session().FactorAt.IsZero() {
		t.Errorf("put off: %+v", next)
	}
	w.now = w.now.Add(24*time.Hour - 6*time.Minute)
	tk = ticket(must(t)(b.prove(p)))
	w.now = w.now.Add(2 * time.Minute)
	_, err := b.skip(tk)
	wantReason(t, "after the grace", err, "step_unknown")
	if next := must(t)(b.setUpApp(p, tk)); next.Kind != StepDone || len(next.Codes) != 10 {
		t.Errorf("set up: %+v", next)
	}
	if s := b.session(); s == nil || s.FactorAt.IsZero() || !slices.Equal(s.AMR, []string{"pwd", "otp", "mfa"}) {
		t.Errorf("session %+v", s)
	}
}

func TestStepUp(t *testing.T) {
	w, p := signedUp(t, nil)
	b := w.browser()
	if next, _, err := b.stepUp("/admin"); err != nil || next.URL != "/_gate/sign-in?return_to=%2Fadmin" {
		t.Errorf("nobody: %+v, %v", next, err)
	}
	tk := ticket(must(t)(b.prove(p)))
	must(t)(b.check(tk, mfa.TOTP, p.code(w), true))
	if next, _, err := b.stepUp("//evil.test"); err != nil || next.Kind != StepDone || next.URL != "/" {
		t.Errorf("proven just now: %+v, %v", next, err)
	}
	// A remembered device signs in and does not step up.
	w.now = w.now.Add(11 * time.Minute)
	must(t)(b.prove(p))
	if s := b.session(); s == nil || s.Device == "" || !s.FactorAt.IsZero() {
		t.Fatalf("session by a device: %+v", s)
	}
	id := b.session().ID
	next, _, err := b.stepUp("/admin?x=1")
	if err != nil || ticket(next) == "" {
		t.Fatalf("step-up: %+v, %v", next, err)
	}
	stranger := w.browser()
	must(t)(stranger.prove(w.add("mallory", account.OwnerLocal)))
	_, err = stranger.check(ticket(next), mfa.TOTP, p.code(w), false)
	wantReason(t, "another session", err, "step_unknown")
	if _, err := b.check(ticket(next), mfa.TOTP, typed("000000"), false); !errors.Is(err, mfa.ErrWrong) || !b.session().FactorAt.IsZero() {
		t.Errorf("a wrong code: %v", err)
	}
	done := must(t)(b.check(ticket(next), mfa.TOTP, p.code(w), false))
	if s := b.session(); done.URL != "/admin?x=1" || s.ID == id || !s.FactorAt.Equal(w.now) || !slices.Equal(s.AMR, []string{"pwd", "otp", "mfa"}) {
		t.Errorf("to %s, session %+v", done.URL, s)
	}
	fresh := func() bool {
		var ok bool
		_, err := b.do(func(_ http.ResponseWriter, r *http.Request) (s Step, err error) {
			ok, err = w.Fresh(r, b.session())
			return s, err
		})
		return ok && err == nil
	}
	if !fresh() {
		t.Error("not fresh right after the proof")
	}
	w.now = w.now.Add(10 * time.Minute)
	if fresh() {
		t.Error("fresh ten minutes later")
	}
}

// corpDirectory is a provider that takes passwords here.
type corpDirectory struct {
	stub
	subject *string
}

func (d corpDirectory) CheckPassword(_ context.Context, login, password string) (identity.Identity, error) {
	if password != "right" {
		return identity.Identity{}, identity.ErrWrongPassword
	}
	return identity.Identity{Provider: d.ID, Issuer: "ldap", Subject: *d.subject, Username: login}, nil
}

// Somebody without a factor confirms a change with what they sign in with, and is led to set one up where a rule asks for a factor.
func TestStepUpWithoutFactor(t *testing.T) {
	w := newWorld(t, nil, corpDirectory{stub{ID: "corp", Name: "Corp"}, new(string)}, stub{ID: "sso", Name: "Contoso", Redirects: true})
	for _, tt := range []struct {
		owner string
		want  Confirm
	}{
		{"local", Confirm{Password: true, Who: "p@partner.test", ReturnTo: "/_gate/account"}},
		{"corp", Confirm{Password: true, Provider: "Corp", Who: "p@partner.test", ReturnTo: "/_gate/account"}},
		{"sso", Confirm{URL: "/_gate/sign-in/sso?again=1&return_to=%2F_gate%2Faccount", Provider: "Contoso", Who: "p@partner.test", ReturnTo: "/_gate/account"}},
	} {
		b, p := w.browser(), w.add("p", tt.owner)
		must(t)(b.prove(p))
		if next, _, err := b.stepUp("/_gate/account"); err != nil || next.Kind != StepDone {
			t.Errorf("%s: signed in just now: %+v, %v", tt.owner, next, err)
		}
		if next, _, err := b.stepUp("/admin"); err != nil || next.URL != "/_gate/factor/enrol?return_to=%2Fadmin" {
			t.Errorf("%s: a rule that asks for a factor: %+v, %v", tt.owner, next, err)
		}
		w.now = w.now.Add(11 * time.Minute)
		next, c, err := b.stepUp("/_gate/account")
		if err != nil || c == nil || next.URL != "" {
			t.Fatalf("%s: later: %+v, %v, %v", tt.owner, next, c, err)
		}
		if d := cmp.Diff(tt.want, *c); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.owner, d)
		}
		if next := must(t)(b.beginEnrol("", mfa.TOTP)); !strings.HasPrefix(next.URL, "/_gate/factor/step-up?") {
			t.Errorf("%s: enrols unconfirmed: %+v", tt.owner, next)
		}
	}
}

func TestConfirmPassword(t *testing.T) {
	subject := "u2"
	w := newWorld(t, nil, corpDirectory{stub{ID: "corp", Name: "Corp"}, &subject})
	p, b := w.add("p", "corp"), w.browser()
	must(t)(b.prove(p))
	confirm := func(password string) (Step, error) {
		return b.do(func(rw http.ResponseWriter, r *http.Request) (next Step, err error) {
			next, _, err = w.ConfirmPassword(rw, r, "/_gate/account", password)
			return next, err
		})
	}
	w.now = w.now.Add(11 * time.Minute)
	if _, err := confirm("wrong"); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := confirm("right"); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("another person's directory entry: %v", err)
	}
	subject = "u1"
	next := must(t)(confirm("right"))
	if s := b.session(); next.URL != "/_gate/account" || !s.AuthTime.Equal(w.now) || !s.FactorAt.IsZero() {
		t.Errorf("confirmed: %+v, %+v", next, s)
	}
	// With a factor the password is not enough.
	must(t)(b.setUpApp(p, ""))
	w.now = w.now.Add(11 * time.Minute)
	if next := must(t)(confirm("right")); !strings.HasPrefix(next.URL, "/_gate/factor/step-up?") {
		t.Errorf("with a factor: %+v", next)
	}
}

// A passkey alone opens local accounts, in the browser that was asked, once.
func TestPasskeyAlone(t *testing.T) {
	w := newWorld(t, func(c *mfa.Config) { c.Policy = mfa.PolicyRequired }, stub{ID: "always", Name: "Contoso", Factor: identity.FactorAlways})
	add := func(p *person, b *browser) {
		t.Helper()
		tk := ticket(must(t)(b.beginEnrol(ticket(must(t)(b.prove(p))), mfa.Passkey)))
		page, err := b.enrolment(tk, mfa.Passkey)
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.keys.Create(page.View.(mfa.PasskeyView).Options)
		if err != nil {
			t.Fatal(err)
		}
		must(t)(b.confirmEnrol(tk, mfa.Passkey, url.Values{"credential": {c}}))
	}
	pat, ann, b := w.add("pat", account.OwnerLocal), w.add("ann", "always"), w.browser()
	add(pat, b)
	add(ann, b)
	b = w.browser()
	next := must(t)(b.passkey(pat.keys.Get))
	if s := b.session(); next.URL != "/deals" || s == nil || s.AccountID != pat.ID || !slices.Equal(s.AMR, []string{"hwk", "user", "mfa"}) || s.FactorAt.IsZero() {
		t.Errorf("signed in: %+v, %+v", next, s)
	}
	_, err := w.browser().passkey(ann.keys.Get)
	wantReason(t, "a corporate account", err, "at_provider")
	if _, err := w.browser().passkey(func(string) (string, error) { return "{}", nil }); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("no passkey: %v", err)
	}
	stranger := &softkey.Authenticator{Origin: "https://evil.test", Keys: pat.keys.Keys}
	if _, err := w.browser().passkey(stranger.Get); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("a fake page: %v", err)
	}
	replayed(t, w, pat)
	if _, err := w.store.UpdateAccount(t.Context(), pat.ID, func(a *account.Account) error { a.State = account.Disabled; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.browser().passkey(pat.keys.Get); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("a disabled account: %v", err)
	}
}

func replayed(t *testing.T, w *world, p *person) {
	t.Helper()
	b := w.browser()
	var sealed, options string
	must(t)(b.do(func(rw http.ResponseWriter, r *http.Request) (s Step, err error) {
		sealed, options, err = w.PasskeyChallenge(rw, r)
		return s, err
	}))
	post := func(b *browser, c string) error {
		_, err := b.do(func(rw http.ResponseWriter, r *http.Request) (Step, error) {
			return w.Passkey(rw, r, sealed, Request{}, url.Values{"credential": {c}})
		})
		return err
	}
	answer := func() string {
		c, err := p.keys.Get(options)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	wantReason(t, "another browser", post(w.browser(), answer()), "step_unknown")
	if err := post(b, answer()); err != nil {
		t.Errorf("the right one: %v", err)
	}
	wantReason(t, "the challenge again", post(b, answer()), "step_unknown")
	sealed += "x"
	wantReason(t, "a changed challenge", post(b, answer()), "step_unknown")
}
