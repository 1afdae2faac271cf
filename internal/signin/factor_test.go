package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
	"crmgate/internal/realtest/softkey"
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
