package signin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
)

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
	if s := b.session(); done.URL != "/admin?x=1" || s.ID != id || !s.FactorAt.Equal(w.now) || !slices.Equal(s.AMR, []string{"pwd", "otp", "mfa"}) {
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
		return b.do(func(_ http.ResponseWriter, r *http.Request) (next Step, err error) {
			next, _, err = w.ConfirmPassword(r, "/_gate/account", password)
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
