package signin

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/mfa"
)

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
