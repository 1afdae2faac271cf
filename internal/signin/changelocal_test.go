package signin

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
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
