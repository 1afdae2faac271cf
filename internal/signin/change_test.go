package signin

import (
	"context"
	"encoding/base32"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
	"crmgate/internal/storetest"
)

// changing makes the world's local passwords changeable; what it returns counts the changes that were made.
func (w *world) changing(p *person) *int {
	made := 0
	w.ChangeLocal = func(ctx context.Context, _, current, _ string, may func(context.Context, *account.Account) error) error {
		if current != "old" {
			return identity.ErrWrongPassword
		}
		if err := may(ctx, p.Account); err != nil {
			return err
		}
		made++
		return nil
	}
	return &made
}

func (b *browser) change(p *person, current string) (Step, error) {
	return b.do(func(rw http.ResponseWriter, r *http.Request) (Step, error) {
		return b.w.ChangePassword(rw, r, Request{Identifier: p.Email, Password: current, NewPassword: "brave lantern under snow", ReturnTo: "/deals"})
	})
}

// Whoever knows the password of somebody with a second factor cannot replace it, and sign them out with that, without the factor. A remembered
// device does not stand in.
func TestChangeLocalAsksForTheFactor(t *testing.T) {
	for name, tt := range map[string]struct {
		setUp, signIn bool
		later         time.Duration
		asked         bool
	}{
		"nobody has a factor":    {},
		"a stranger's browser":   {setUp: true, asked: true},
		"the factor proven now":  {setUp: true, signIn: true, later: time.Minute},
		"the factor proven once": {setUp: true, signIn: true, later: time.Hour, asked: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			p, b := w.add("pat", account.OwnerLocal), w.browser()
			if tt.setUp {
				must(t)(b.prove(p))
				must(t)(b.setUpApp(p, ""))
				w.now = w.now.Add(time.Minute)
				if b = w.browser(); tt.signIn {
					must(t)(b.check(ticket(must(t)(b.prove(p))), mfa.TOTP, p.code(w), true))
				}
			}
			w.now = w.now.Add(tt.later)
			made := w.changing(p)
			if _, err := b.change(p, "wrong"); err != error(identity.ErrWrongPassword) || *made != 0 {
				t.Fatalf("with a wrong password: %v, %d changes", err, *made)
			}
			next, err := b.change(p, "old")
			if !tt.asked {
				// The store of this test holds no real hash, so the sign-in that follows cannot succeed.
				if *made != 1 {
					t.Errorf("step %+v, %v, %d changes, want one", next, err, *made)
				}
				return
			}
			if err != nil || next.Kind != StepFactor || *made != 0 {
				t.Fatalf("step %+v, %v, %d changes, want to be asked first", next, err, *made)
			}
			tk := ticket(next)
			if _, err := w.browser().check(tk, mfa.TOTP, p.code(w), false); !fault.Is(err, fault.Expired) || *made != 0 {
				t.Errorf("in another browser: %v, %d changes", err, *made)
			}
			_, err = b.beginEnrol(tk, mfa.TOTP)
			wantReason(t, "enrolling instead", err, "step_unknown")
			_, err = b.skip(tk)
			wantReason(t, "putting it off", err, "step_unknown")
			if _, err := b.check(tk, mfa.TOTP, typed("000000"), false); err != error(mfa.ErrWrong) || *made != 0 {
				t.Errorf("with a wrong code: %v, %d changes", err, *made)
			}
			_, _ = b.check(tk, mfa.TOTP, p.code(w), false)
			_, _ = b.check(tk, mfa.TOTP, p.code(w), false)
			if diff := cmp.Diff(1, *made); diff != "" {
				t.Errorf("with the code (-want +got):\n%s", diff)
			}
		})
	}
}

// entry is the one entry of a directory whose people change their passwords here.
type entry struct {
	stub
	password *string
	expired  bool
}

func (e entry) CheckPassword(_ context.Context, login, password string) (identity.Identity, error) {
	if password != *e.password {
		return identity.Identity{}, identity.ErrWrongPassword
	}
	if e.expired {
		return identity.Identity{}, errors.Join(fault.New(fault.Forbidden, "Your password has expired."), &identity.MustChange{Here: true})
	}
	return identity.Identity{Provider: e.ID, Issuer: "ldap", Subject: "u1", Username: login, Email: login + "@partner.test"}, nil
}

func (e entry) ChangePassword(_ context.Context, _, current, fresh string) error {
	if current != *e.password {
		return identity.ErrWrongPassword
	}
	*e.password = fresh
	return nil
}

// linked is a store in which every link is one account's.
type linked struct {
	*storetest.Memory
	id string
}

func (l *linked) FindByLink(ctx context.Context, _ account.Link) (*account.Account, error) {
	return l.GetAccount(ctx, l.id)
}

// Who comes with a stolen password of the directory changes it only with the factor that a sign-in with it asks for.
func TestChangeInDirectoryAsksForTheFactor(t *testing.T) {
	for name, tt := range map[string]struct {
		factor  identity.FactorRule
		setUp   bool
		expired bool
		asked   bool
		swapped bool // the name is another person's when the code comes
	}{
		"always, with an app":    {factor: identity.FactorAlways, setUp: true, asked: true},
		"always, renamed":        {factor: identity.FactorAlways, setUp: true, asked: true, swapped: true},
		"unless amr":             {factor: identity.FactorUnlessAMR, setUp: true, asked: true},
		"always, nothing set up": {factor: identity.FactorAlways},
		"trusted":                {factor: identity.FactorTrust, setUp: true},
		"expired":                {factor: identity.FactorAlways, setUp: true, expired: true},
	} {
		t.Run(name, func(t *testing.T) {
			password := "old"
			e := entry{stub{ID: "corp", Name: "Corp", Factor: tt.factor, Password: identity.PasswordHelp{ChangeHere: true}}, &password, tt.expired}
			w := newWorld(t, nil, e)
			p, b := w.add("pat", "corp"), w.browser()
			links := &linked{w.store, p.ID}
			w.Accounts.Store = links
			if tt.setUp {
				who := mfa.Person{ID: p.ID, Email: p.Email}
				state, err := w.Factors.Enrol(t.Context(), who, mfa.TOTP, nil)
				if err != nil {
					t.Fatal(err)
				}
				p.apps = append(p.apps, w.enrolled(t, who, state))
				w.now = w.now.Add(time.Minute)
			}
			change := func(current string) (Step, error) {
				return b.do(func(rw http.ResponseWriter, r *http.Request) (Step, error) {
					return w.ChangePassword(rw, r, Request{Provider: "corp", Identifier: "pat", Password: current, NewPassword: "new"})
				})
			}
			if _, err := change("wrong"); !errors.Is(err, identity.ErrWrongPassword) || password != "old" {
				t.Fatalf("with a wrong password: %v, and it is %q", err, password)
			}
			next, err := change("old")
			if !tt.asked {
				if password != "new" {
					t.Errorf("step %+v, %v, and the password is %q", next, err, password)
				}
				return
			}
			if err != nil || next.Kind != StepFactor || password != "old" {
				t.Fatalf("step %+v, %v, and the password is %q", next, err, password)
			}
			page, err := b.page(ticket(next), "")
			if every := tt.factor == identity.FactorAlways; err != nil || page.CanRemember == every {
				t.Errorf("offers to remember the device: %v, %v, though it is asked every time: %v", page.CanRemember, err, every)
			}
			if tt.swapped {
				links.id = w.add("eve", "corp").ID
				_, err := b.check(ticket(next), mfa.TOTP, p.code(w), false)
				wantReason(t, "with the code", err, "step_unknown")
				if b.session() != nil {
					t.Error("a factor of one account let into another")
				}
				return
			}
			next = must(t)(b.check(ticket(next), mfa.TOTP, p.code(w), false))
			if next.Kind != StepDone || password != "new" || b.session() == nil {
				t.Errorf("with the code: %+v, and the password is %q", next, password)
			}
		})
	}
}

// enrolled confirms the enrolment of an app.
func (w *world) enrolled(t *testing.T, who mfa.Person, state []byte) *app {
	t.Helper()
	view, err := w.Factors.EnrolView(who, mfa.TOTP, state)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(view.(mfa.TOTPView).Secret, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	a := &app{secret: secret}
	code, step := a.code(w.now)
	a.last = step
	fresh, err := w.Factors.Confirm(t.Context(), who, mfa.TOTP, state, typed(code))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Factors.Add(t.Context(), who, mfa.TOTP, fresh, "", true); err != nil {
		t.Fatal(err)
	}
	return a
}
