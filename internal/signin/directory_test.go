package signin

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/throttle"
)

// paper is a directory with one person, whose password may be changed to anything but "weak".
type paper struct {
	stub
	password string
	asked    int
	// slow makes it not know the new password yet, as a second server would.
	slow bool
}

func (p *paper) CheckPassword(_ context.Context, _, password string) (identity.Identity, error) {
	p.asked++
	if password != p.password || p.slow {
		return identity.Identity{}, identity.WrongPassword{Reason: "account_locked"}
	}
	return identity.Identity{}, fault.New(fault.Forbidden, "Your account is disabled.").WithReason("account_disabled")
}

func (p *paper) ChangePassword(_ context.Context, _, current, fresh string) error {
	p.asked++
	switch {
	case current != p.password:
		return identity.ErrWrongPassword
	case fresh == "weak":
		return fault.New(fault.Invalid, "Too weak.")
	}
	p.password = fresh
	return nil
}

// counts is a throttle.Store without a clock, in which nothing is ever locked.
type counts map[string]int

func (c counts) CountAttempt(_ context.Context, _ time.Time, counters ...throttle.Counter) (out []int, _ error) {
	for _, one := range counters {
		c[one.Key]++
		out = append(out, c[one.Key])
	}
	return out, nil
}

func (c counts) TakeBack(_ context.Context, _ time.Time, one throttle.Counter) error {
	c[one.Key]--
	return nil
}

func (c counts) LockedUntil(context.Context, time.Time, ...string) (time.Time, error) {
	return time.Time{}, nil
}

func (c counts) ListLocks(context.Context, time.Time) ([]throttle.Lock, error) { return nil, nil }

func (c counts) ClearFailures(_ context.Context, keys ...string) error {
	for _, key := range keys {
		delete(c, key)
	}
	return nil
}

func directoryFlow(p identity.Provider) (*Flow, *recorder) {
	r := &recorder{}
	lockout := &throttle.Lockout{Store: counts{}, Config: throttle.Config{Failures: 3, Window: time.Minute, Duration: time.Minute}}
	return &Flow{Realms: identity.NewRealms(p), Accounts: &account.Service{Lockout: lockout, Audit: r}, Audit: r}, r
}

func hereStub(here bool) stub {
	return stub{ID: "staff", Name: "Staff directory", Domains: []string{"corp.test"}, Password: identity.PasswordHelp{ChangeHere: here}}
}

// Guesses at the page that changes passwords and at sign-in are one count, and what is no guess clears it.
func TestChangesCountAsSignIns(t *testing.T) {
	p := &paper{stub: hereStub(true), password: "old"}
	f, _ := directoryFlow(p)
	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil)
	try := func(current, fresh string) error {
		if fresh == "" {
			_, err := f.Password(w, r, Request{Identifier: "ann@corp.test", Password: current})
			return err
		}
		_, err := f.ChangePassword(w, r, Request{Identifier: "Ann@corp.test ", Password: current, NewPassword: fresh})
		return err
	}
	for i, tt := range []struct {
		current, fresh string
		want           fault.Kind
	}{
		{"x", "new", fault.Internal}, {"x", "", fault.Internal}, // two guesses
		{"old", "weak", fault.Invalid},                                                        // none
		{"x", "", fault.Internal}, {"x", "new", fault.Internal}, {"x", "new", fault.Internal}, // three
		{"old", "new", fault.TooMany}, {"old", "", fault.TooMany},
	} {
		err := try(tt.current, tt.fresh)
		if got := fault.KindOf(err); got != tt.want || errors.Is(err, identity.ErrWrongPassword) != (tt.want == fault.Internal) {
			t.Fatalf("try %d: %v, want %s", i+1, err, tt.want)
		}
	}
	if p.asked != 6 || p.password != "old" {
		t.Errorf("asked %d times, password %q", p.asked, p.password)
	}
}

func TestChangedButNotSignedIn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		slow   bool
		kind   fault.Kind
		reason string
	}{
		{"another server has not heard of it", true, fault.Unavailable, "changed_not_signed_in"},
		{"something else keeps the person out", false, fault.Forbidden, "account_disabled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &paper{stub: hereStub(true), password: "old", slow: tt.slow}
			f, events := directoryFlow(p)
			_, err := f.ChangePassword(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil), Request{Provider: "staff", Identifier: "ann", Password: "old", NewPassword: "new"})
			var said *fault.Error
			if !errors.As(err, &said) || said.Kind != tt.kind || said.Reason != tt.reason || errors.Is(err, identity.ErrWrongPassword) {
				t.Errorf("ChangePassword: %v", err)
			}
			var got []string
			for _, e := range events.events {
				got = append(got, string(e.Kind)+" "+e.Provider+" "+e.Identifier+" "+e.Reason)
			}
			want := []string{"password_set staff ann changed", "sign_in_refused staff ann account_locked"}
			if !tt.slow {
				want[1] = "sign_in_refused staff ann account_disabled"
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChangeElsewhere(t *testing.T) {
	p := &paper{stub: hereStub(false), password: "old"}
	f, _ := directoryFlow(p)
	step, err := f.ChangePassword(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil), Request{Identifier: "ann@corp.test", Password: "old", NewPassword: "new"})
	if err != nil || step.Kind != StepElsewhere || step.Provider == nil || step.Provider.ID != "staff" || p.asked != 0 {
		t.Errorf("step %+v, %v, asked %d times", step, err, p.asked)
	}
	if _, err := f.ChangePassword(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil), Request{Provider: "nobody"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown provider: %v", err)
	}
}

// A local password is changed by package account, and its answer is the page's.
func TestChangeLocal(t *testing.T) {
	f, _ := directoryFlow(hereStub(true))
	f.LocalEnabled = true
	f.Accounts.Store = oneAccount{}
	refused := &account.PasswordError{Sentence: "Too short."}
	var asked []string
	f.ChangeLocal = func(_ context.Context, identifier, current, fresh string, _ func(context.Context, *account.Account) error) error {
		asked = append(asked, identifier+" "+current+" "+fresh)
		return refused
	}
	_, err := f.changeLocal(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil), progress{local: true}, Request{Identifier: "pat", Password: "old", NewPassword: "new"})
	if err != error(refused) || !cmp.Equal(asked, []string{"pat old new"}) {
		t.Errorf("ChangePassword: %v, asked %q", err, asked)
	}
}
