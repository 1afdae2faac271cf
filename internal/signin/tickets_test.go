package signin

import (
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/throttle"
)

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
