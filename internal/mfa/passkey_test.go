package mfa_test

import (
	"errors"
	"net/url"
	"slices"
	"testing"

	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/realtest/softkey"
)

func credential(c string, err error) url.Values {
	if err != nil {
		panic(err)
	}
	return url.Values{"credential": {c}}
}

// options returns what a browser would get for a state.
func (w *world) options(t testing.TB, who mfa.Person, state []byte) string {
	t.Helper()
	v, err := w.EnrolView(who, mfa.Passkey, state)
	if err != nil {
		t.Fatal(err)
	}
	return v.(mfa.PasskeyView).Options
}

func (w *world) enrolPasskey(t testing.TB, who mfa.Person, a *softkey.Authenticator) error {
	t.Helper()
	state, err := w.Enrol(t.Context(), who, mfa.Passkey, nil)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := w.Confirm(t.Context(), who, mfa.Passkey, state, credential(a.Create(w.options(t, who, state))))
	if err == nil {
		_, err = w.Add(t.Context(), who, mfa.Passkey, fresh, "Laptop", false)
	}
	return err
}

func (w *world) begin(t testing.TB, who mfa.Person) ([]byte, string) {
	t.Helper()
	state, err := w.Begin(t.Context(), who, mfa.Passkey)
	if err != nil {
		t.Fatal(err)
	}
	return state, w.options(t, who, state)
}

func TestPasskey(t *testing.T) {
	w := newWorld(t)
	who := w.person(t)
	a := &softkey.Authenticator{Origin: origin}
	if err := w.enrolPasskey(t, who, a); err != nil {
		t.Fatal(err)
	}
	state, options := w.begin(t, who)
	answer := credential(a.Get(options))
	p, err := w.Check(t.Context(), who, mfa.Passkey, state, answer)
	if err != nil || !slices.Equal(p.AMR, []string{"hwk", "user"}) {
		t.Fatalf("Check = %+v, %v", p, err)
	}
	if _, err := w.Check(t.Context(), who, mfa.Passkey, state, answer); !errors.Is(err, mfa.ErrCopied) {
		t.Errorf("the same answer again: %v", err)
	}
	other, _ := w.begin(t, who)
	if _, err := w.Check(t.Context(), who, mfa.Passkey, other, answer); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("an answer to another challenge: %v", err)
	}
	for _, junk := range []string{"", "{}", "null", "[]", `{"id":"x"}`, string(make([]byte, 40_000))} {
		if _, err := w.Check(t.Context(), who, mfa.Passkey, state, credential(junk, nil)); !errors.Is(err, mfa.ErrWrong) {
			t.Errorf("junk %.20q: %v", junk, err)
		}
	}
	synced := &softkey.Authenticator{Origin: origin, Synced: true}
	if err := w.enrolPasskey(t, who, synced); err != nil {
		t.Fatal(err)
	}
	state, options = w.begin(t, who)
	if p, err := w.Check(t.Context(), who, mfa.Passkey, state, credential(synced.Get(options))); err != nil || p.AMR[0] != "swk" {
		t.Errorf("a second, synced key: %+v, %v", p, err)
	}
}

// A fake page, a person who was not verified, and somebody else's key (63B-4 section 3.2.5).
func TestPasskeyForeignOrigin(t *testing.T) {
	w := newWorld(t)
	who, mallory := w.person(t), w.person(t)
	for name, a := range map[string]*softkey.Authenticator{
		"another host": {Origin: "https://crm.example.test.evil.test"}, "in the clear": {Origin: "http://crm.example.test"},
		"another port": {Origin: origin + ":8443"}, "nobody verified": {Origin: origin, Unverified: true},
	} {
		if err := w.enrolPasskey(t, who, a); !errors.Is(err, mfa.ErrWrong) {
			t.Errorf("%s: enrolled: %v", name, err)
		}
	}
	mine, theirs := &softkey.Authenticator{Origin: origin}, &softkey.Authenticator{Origin: origin}
	if err := errors.Join(w.enrolPasskey(t, who, mine), w.enrolPasskey(t, mallory, theirs)); err != nil {
		t.Fatal(err)
	}
	state, options := w.begin(t, who)
	for name, try := range map[string]func() url.Values{
		"another host":    func() url.Values { b := *mine; b.Origin = "https://evil.test"; return credential(b.Get(options)) },
		"nobody verified": func() url.Values { b := *mine; b.Unverified = true; return credential(b.Get(options)) },
		"somebody else's": func() url.Values { return credential(theirs.Answer(theirs.Keys[0], softkey.Challenge(options))) },
	} {
		if _, err := w.Check(t.Context(), who, mfa.Passkey, state, try()); !errors.Is(err, mfa.ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.Check(t.Context(), who, mfa.Passkey, state, credential(mine.Get(options))); err != nil {
		t.Errorf("the right one afterwards: %v", err)
	}
}

// Of two copies of a key the one that falls behind is noticed.
func TestPasskeyCopied(t *testing.T) {
	w := newWorld(t)
	who := w.person(t)
	a := &softkey.Authenticator{Origin: origin}
	if err := w.enrolPasskey(t, who, a); err != nil {
		t.Fatal(err)
	}
	copied := a.Keys[0].Copy()
	for range 3 {
		state, options := w.begin(t, who)
		if _, err := w.Check(t.Context(), who, mfa.Passkey, state, credential(a.Get(options))); err != nil {
			t.Fatal(err)
		}
	}
	copied.Counter++
	state, options := w.begin(t, who)
	if _, err := w.Check(t.Context(), who, mfa.Passkey, state, credential(a.Answer(copied, softkey.Challenge(options)))); !errors.Is(err, mfa.ErrCopied) {
		t.Errorf("the copy: %v", err)
	}
	// Keys that do not count report zero for ever.
	plain := &softkey.Authenticator{Origin: origin}
	if err := w.enrolPasskey(t, who, plain); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		state, options := w.begin(t, who)
		if _, err := w.Check(t.Context(), who, mfa.Passkey, state, credential(plain.Answer(plain.Keys[0], softkey.Challenge(options)))); err != nil {
			t.Errorf("a key without a counter: %v", err)
		}
	}
}

func TestPasskeyAlone(t *testing.T) {
	w := newWorld(t)
	who, mallory := w.person(t), w.person(t)
	a, theirs := &softkey.Authenticator{Origin: origin}, &softkey.Authenticator{Origin: origin}
	if err := errors.Join(w.enrolPasskey(t, who, a), w.enrolPasskey(t, mallory, theirs)); err != nil {
		t.Fatal(err)
	}
	state, options, ok, err := w.BeginAlone()
	if !ok || err != nil {
		t.Fatalf("BeginAlone: %v, %v", ok, err)
	}
	id, p, err := w.CheckAlone(t.Context(), state, credential(a.Get(options)))
	if err != nil || id != who.ID || !slices.Contains(p.AMR, "user") {
		t.Errorf("CheckAlone = %s, %+v, %v", id, p, err)
	}
	// A key that says it is somebody else's.
	theirs.Keys[0].User = []byte(who.ID)
	if _, _, err := w.CheckAlone(t.Context(), state, credential(theirs.Get(options))); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("a key with another's name: %v", err)
	}
	stranger := &softkey.Authenticator{Origin: origin}
	enrol, err := w.Enrol(t.Context(), who, mfa.Passkey, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Create(w.options(t, who, enrol)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.CheckAlone(t.Context(), state, credential(stranger.Get(options))); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("a key that nobody has enrolled: %v", err)
	}
	// What was begun for a known person is no sign-in of nobody known, nor the other way round.
	check, known := w.begin(t, who)
	if _, _, err := w.CheckAlone(t.Context(), check, credential(a.Get(known))); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("a second step as the only one: %v", err)
	}
	if _, err := w.Check(t.Context(), who, mfa.Passkey, state, credential(a.Get(options))); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("an only step as the second one: %v", err)
	}
}

// A public_url without a name has no passkeys.
func TestPasskeyNeedsAName(t *testing.T) {
	for _, raw := range []string{"http://127.0.0.1:8080", "https://[::1]"} {
		public, _ := url.Parse(raw)
		s, err := mfa.New(mfa.Env{Config: mfa.Config{}.Default(), Public: public}, mfa.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Info(mfa.Passkey); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s offers passkeys: %v", raw, err)
		}
	}
}
