package signin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
