package account

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

const day = 24 * time.Hour

func TestPasswordAge(t *testing.T) {
	tests := []struct {
		name        string
		maxAge, age time.Duration
		must        bool
		mails       []string
	}{
		{name: "for ever", age: 5000 * day},
		{name: "young", maxAge: 90 * day, age: 79 * day},
		{name: "ten days before", maxAge: 90 * day, age: 80 * day, mails: []string{"password_expires " + ann}},
		{name: "last moment", maxAge: 90 * day, age: 90*day - time.Second, mails: []string{"password_expires " + ann}},
		{name: "over", maxAge: 90 * day, age: 90 * day, must: true},
		{name: "short life, first half", maxAge: 4 * day, age: day},
		{name: "short life, second half", maxAge: 4 * day, age: 2 * day, mails: []string{"password_expires " + ann}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.Config.Password.MaxAge = tt.maxAge
			b.local(t, ann)
			b.now = b.now.Add(tt.age)
			for range 2 { // the mail comes once
				a, err := b.CheckPassword(from(t), ann, goodPassword)
				var must *identity.MustChange
				if errors.As(err, &must) != tt.must || (err == nil) == tt.must {
					t.Fatalf("account %+v, error %v", a, err)
				}
				if must != nil && (!must.Here || !must.Expired || !fault.Is(err, fault.Forbidden)) {
					t.Errorf("error %+v", must)
				}
				if err == nil && tt.maxAge > 0 && !a.PasswordExpires.Equal(b.now.Add(tt.maxAge-tt.age)) {
					t.Errorf("expires %v", a.PasswordExpires)
				}
			}
			b.work(t)
			if diff := cmp.Diff(tt.mails, b.posted()); diff != "" {
				t.Errorf("mails (-want +got):\n%s", diff)
			}
			// A wrong password is told nothing about the right one's age.
			if _, err := b.CheckPassword(from(t), ann, wrongly); err != identity.ErrWrongPassword {
				t.Errorf("wrong password: %v", err)
			}
		})
	}
}

func TestChangePassword(t *testing.T) {
	tests := []struct {
		name                  string
		prepare               func(*testing.T, *bench)
		identifier, now, then string
		wrong                 bool
		refused               string
	}{
		{name: "good", identifier: "Ann@example.test", now: goodPassword, then: otherPassword},
		{name: "too old to sign in with", prepare: func(_ *testing.T, b *bench) { b.now = b.now.Add(100 * day) }, identifier: ann, now: goodPassword, then: otherPassword},
		{name: "wrong", identifier: ann, now: wrongly, then: otherPassword, wrong: true},
		{name: "nobody", identifier: nobody, now: goodPassword, then: otherPassword, wrong: true},
		{name: "disabled", prepare: func(t *testing.T, b *bench) { b.setState(t, annID, Disabled) }, identifier: ann, now: goodPassword, then: otherPassword, wrong: true},
		{name: "the same", identifier: ann, now: goodPassword, then: goodPassword, refused: "the password you have now"},
		{name: "the same without memory", prepare: func(_ *testing.T, b *bench) { b.Config.Password.History = 0 }, identifier: ann, now: goodPassword, then: goodPassword, refused: "the password you have now"},
		{name: "weak", identifier: ann, now: goodPassword, then: "short", refused: "needs at least 15"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.Config.Password.MaxAge = 90 * day
			b.local(t, ann)
			if tt.prepare != nil {
				tt.prepare(t, b)
			}
			err := b.ChangePassword(from(t), tt.identifier, tt.now, tt.then, nil)
			switch {
			case tt.wrong:
				if !errors.Is(err, identity.ErrWrongPassword) {
					t.Errorf("error %v", err)
				}
				return
			case tt.refused != "":
				var weak *PasswordError
				if f := wantFault(t, err, fault.Invalid); !strings.Contains(f.Sentence, tt.refused) || !errors.As(err, &weak) {
					t.Errorf("error %v", err)
				}
			case err != nil:
				t.Fatal(err)
			default:
				if diff := cmp.Diff([]string{"password_set change " + annID}, b.reasons()); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{"password_changed " + ann}, b.posted()); diff != "" {
					t.Errorf("mails (-want +got):\n%s", diff)
				}
				if len(b.ended) != 1 {
					t.Errorf("sessions ended: %q", b.ended)
				}
			}
			want := map[bool]string{true: tt.then, false: tt.now}[err == nil]
			if _, err := b.CheckPassword(from(t), ann, want); err != nil {
				t.Errorf("sign-in afterwards: %v", err)
			}
		})
	}
}

// Guessing through the change is guessing: one count, one lock, the same work.
func TestChangePasswordCountsAsSignIn(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	for range 3 {
		b.hash.spent.Store(0)
		if err := b.ChangePassword(from(t), ann, wrongly, otherPassword, nil); !errors.Is(err, identity.ErrWrongPassword) || b.hash.spent.Load() != 1 {
			t.Fatalf("error %v after %d hashes", err, b.hash.spent.Load())
		}
	}
	if _, err := b.CheckPassword(from(t), ann, goodPassword); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("not locked: %v", err)
	}
	if err := b.ChangePassword(from(t), ann, goodPassword, otherPassword, nil); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("a locked account changed its password: %v", err)
	}
}

// Fifty who know the current password set fifty new ones: one wins, the others' current password is right no longer.
func TestChangePasswordOnce(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	b.Lockout.Config.Failures = 100
	var wg sync.WaitGroup
	won := make(chan string, 50)
	for i := range 50 {
		wg.Go(func() {
			fresh := otherPassword + strings.Repeat(" kettle", 1+i%4) + string(rune('a'+i%26))
			err := b.ChangePassword(context.Background(), ann, goodPassword, fresh, nil)
			if err == nil {
				won <- fresh
			} else if !errors.Is(err, identity.ErrWrongPassword) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(won)
	if len(won) != 1 {
		t.Fatalf("%d of 50 changed it", len(won))
	}
	if _, err := b.CheckPassword(t.Context(), ann, <-won); err != nil {
		t.Errorf("the winner's password: %v", err)
	}
}

func TestMinLengthWithFactor(t *testing.T) {
	const short = "kP9$vLq2xZ"
	tests := []struct {
		name  string
		has   func(context.Context, string) (bool, error)
		least int
	}{
		{"nobody has one", nil, 15},
		{"has none", func(context.Context, string) (bool, error) { return false, nil }, 15},
		{"has one", func(_ context.Context, id string) (bool, error) { return id == annID, nil }, 8},
		{"nobody knows", func(context.Context, string) (bool, error) { return true, errors.New("down") }, 15},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			a := b.local(t, ann)
			b.HasFactor = tt.has
			if got := b.MinLength(t.Context(), a); got != tt.least {
				t.Errorf("least length %d, want %d", got, tt.least)
			}
			if err := b.ChangePassword(t.Context(), ann, goodPassword, short, nil); (err == nil) != (tt.least == 8) {
				t.Errorf("ten characters: %v", err)
			}
		})
	}
}

func TestWeaknessSaysWhatSettingWouldSay(t *testing.T) {
	b := newBench(t)
	a := b.local(t, ann)
	l, _ := a.Local()
	for _, p := range []string{"aaaaaaaaaaaaaaaaaaaa", "correct horse battery staple", "ann@example.test ann@example.test", "monday coffee dragon", goodPassword + "!", "Northwind123456789!"} {
		_, setting := b.checkNew(t.Context(), a, l, p)
		typing := b.Weakness(t.Context(), p, ann)
		if (setting == nil) != (typing == nil) || setting != nil && setting.Error() != typing.Error() {
			t.Errorf("%q: while typing %v, when set %v", p, typing, setting)
		}
	}
	if b.store.asked > 2 { // of checkNew alone, for former passwords
		t.Errorf("%d questions to the store", b.store.asked)
	}
}
