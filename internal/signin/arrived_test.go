package signin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
)

// oneDiary keeps the places of one account.
type oneDiary struct {
	last  time.Time
	known []string
	noted int
}

func (d *oneDiary) LastArrival(context.Context, string) (time.Time, error) { return d.last, nil }
func (d *oneDiary) SweepPlaces(context.Context, time.Time) (int, error)    { return 0, nil }
func (d *oneDiary) NotePlace(_ context.Context, _ string, p account.Place, now time.Time, _ int) (account.Known, error) {
	k := account.Known{First: d.last.IsZero(), Network: true}
	d.last, d.noted = now, d.noted+1
	for _, b := range p.Browsers {
		if slices.Contains(d.known, b) {
			k.Browser = b
			return k, nil
		}
	}
	d.known = append(d.known, p.Fresh)
	return k, nil
}

// A sign-in is noted when all its steps are done, and not before; the session knows of the one before it.
func TestArrivalIsNotedAtTheEnd(t *testing.T) {
	w, p := signedUp(t, nil)
	d := &oneDiary{}
	w.Accounts.Places = d
	first := w.now
	b := w.browser()
	tk := ticket(must(t)(b.prove(p)))
	if d.noted != 0 {
		t.Fatal("noted after the password alone")
	}
	must(t)(b.check(tk, mfa.TOTP, p.code(w), true))
	if s := b.session(); d.noted != 1 || !s.LastSignIn.IsZero() {
		t.Fatalf("noted %d times, session %+v", d.noted, s)
	}
	w.now = w.now.Add(time.Hour)
	must(t)(b.prove(p)) // the remembered device stands in
	if s := b.session(); d.noted != 2 || !s.LastSignIn.Equal(first) || len(d.known) != 1 {
		t.Errorf("noted %d times, %d browsers known, last sign-in %s, want %s", d.noted, len(d.known), s.LastSignIn, first)
	}
}

// Where there are no second steps, changing one's own account is confirmed all the same, and a rule that asks for one refuses.
func TestStepUpWhereFactorsAreOff(t *testing.T) {
	w := newWorld(t, func(c *mfa.Config) { c.Policy = mfa.PolicyOff }, stub{ID: "sso", Name: "Contoso", Redirects: true})
	b := w.browser()
	must(t)(b.prove(w.add("p", account.OwnerLocal)))
	if next, c, err := b.stepUp("/_gate/account/devices"); err != nil || c != nil || next.URL != "/_gate/account/devices" {
		t.Errorf("signed in just now: %+v, %+v, %v", next, c, err)
	}
	w.now = w.now.Add(11 * time.Minute)
	if _, c, err := b.stepUp("/_gate/account/devices"); err != nil || c == nil || !c.Password {
		t.Errorf("later: %+v, %v", c, err)
	}
	if _, _, err := b.stepUp("/admin"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a rule: %v", err)
	}
	confirm := func(password string) (Step, error) {
		return b.do(func(rw http.ResponseWriter, r *http.Request) (next Step, err error) {
			next, _, err = w.ConfirmPassword(rw, r, "/_gate/account/devices", password)
			return next, err
		})
	}
	if _, err := confirm("wrong"); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("a wrong password: %v", err)
	}
}
