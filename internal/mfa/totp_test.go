package mfa_test

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/mfa"
)

// The SHA-1 vectors of RFC 6238 appendix B.
func TestTOTPVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := mfa.Code(secret, time.Unix(at, 0), 8); got != want {
			t.Errorf("code at %d is %s, want %s", at, got, want)
		}
	}
}

func TestTOTP(t *testing.T) {
	w := newWorld(t)
	who := w.person(t)
	secret := w.enrolTOTP(t, who)
	at := func(steps int) string { return mfa.Code(secret, w.now.Add(time.Duration(steps)*30*time.Second), 6) }
	check := func(typed string) error {
		_, err := w.Check(t.Context(), who, mfa.TOTP, nil, code(typed))
		return err
	}
	if err := check(at(0)); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("the code that enrolled signs in as well: %v", err)
	}
	w.now = w.now.Add(10 * time.Minute)
	for _, tt := range []struct{ name, typed string }{
		{"two steps old", at(-2)}, {"two steps ahead", at(2)}, {"empty", ""}, {"short", at(0)[1:]}, {"long", "0" + at(0)}, {"not digits", "abcdef"},
		{"another script's digits", "\u0660\u0661\u0662\u0663\u0664\u0665"},
	} {
		if err := check(tt.typed); !errors.Is(err, mfa.ErrWrong) {
			t.Errorf("%s: %v, want ErrWrong", tt.name, err)
		}
	}
	older, now := at(-1), at(0)
	if err := check(now[:3] + " " + now[3:]); err != nil {
		t.Errorf("the code with a space: %v", err)
	}
	for _, typed := range []string{now, now[:3] + "-" + now[3:], " " + now, older} {
		if err := check(typed); !errors.Is(err, mfa.ErrWrong) {
			t.Errorf("%q is accepted after the code was used: %v", typed, err)
		}
	}
	if err := check(at(1)); err != nil {
		t.Errorf("a clock that is ahead: %v", err)
	}
	other := w.person(t)
	if _, err := w.Check(t.Context(), other, mfa.TOTP, nil, code(at(1))); !fault.Is(err, fault.Conflict) {
		t.Errorf("somebody without an app: %v", err)
	}
}

// One code, fifty requests: one passes (ASVS 6.5.1).
func TestRaces(t *testing.T) {
	w := newWorld(t)
	who := w.person(t)
	secret := w.enrolTOTP(t, who)
	codes, err := w.NewRecoveryCodes(t.Context(), who.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	for k, typed := range map[mfa.Kind]string{mfa.TOTP: mfa.Code(secret, w.now, 6), mfa.Recovery: codes[3]} {
		var wg sync.WaitGroup
		errs := make([]error, 50)
		for i := range errs {
			wg.Go(func() { _, errs[i] = w.Check(t.Context(), who, k, nil, code(typed)) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, mfa.ErrWrong) {
				t.Errorf("%s: %v", k, err)
			}
		}
		if won != 1 {
			t.Errorf("%s: accepted %d times", k, won)
		}
	}
}

func TestTOTPAddress(t *testing.T) {
	w := newWorld(t)
	who := w.person(t)
	state, err := w.Enrol(t.Context(), who, mfa.TOTP, url.Values{"issuer": {"evil.test"}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := w.EnrolView(who, mfa.TOTP, state)
	if err != nil {
		t.Fatal(err)
	}
	view := v.(mfa.TOTPView)
	secret := strings.ReplaceAll(view.Secret, " ", "")
	want := "otpauth://totp/Deal%20%20Desk:pat@partner.test?secret=" + secret + "&issuer=Deal%20%20Desk&algorithm=SHA1&digits=6&period=30"
	if view.Address != want || len(secret) != 32 {
		t.Errorf("address %s, want %s", view.Address, want)
	}
	if view.QR.Size < 33 || !strings.HasPrefix(view.QR.Path, "M4 4h7v1h-7z") { // the corner mark, behind the quiet zone
		t.Errorf("QR code of %d modules begins with %.20s", view.QR.Size, view.QR.Path)
	}
	if strings.Contains(string(must(w.store.ListFactors(t.Context(), who.ID))), secret) {
		t.Error("stored before it was confirmed")
	}
	w.enrolTOTP(t, who)
	for _, e := range must2(w.store.ListFactors(t.Context(), who.ID)) {
		if strings.Contains(e.Secret, "secret") || len(e.Secret) < 40 {
			t.Errorf("the secret is not sealed: %s", e.Secret)
		}
	}
}
