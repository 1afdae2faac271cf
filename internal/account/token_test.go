package account

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/token"
)

// issued returns a reset token of ann's.
func issued(t *testing.T, b *bench) string {
	t.Helper()
	link, err := b.IssueReset(t.Context(), annID, "cli")
	if err != nil {
		t.Fatal(err)
	}
	b.posted()
	b.reasons()
	return secretIn(t, link)
}

func TestRedeem(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	for range 3 {
		b.CheckPassword(from(t), ann, wrongly)
	}
	b.work(t)
	secret := issued(t, b)
	peeked, err := b.PeekToken(from(t), ForReset, secret)
	if err != nil || peeked.ID != annID {
		t.Fatalf("peek: %+v, %v", peeked, err)
	}
	a, err := b.RedeemToken(from(t), ForReset, secret, otherPassword)
	if err != nil || a.ID != annID {
		t.Fatalf("redeem: %+v, %v", a, err)
	}
	if diff := cmp.Diff([]string{annID}, b.ended); diff != "" {
		t.Errorf("ended sessions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"password_changed " + ann}, b.posted()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"password_set reset " + annID}, b.reasons()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if _, err := b.CheckPassword(from(t), ann, otherPassword); err != nil {
		t.Errorf("the new password (the lock must be over): %v", err)
	}
	if _, err := b.CheckPassword(from(t), ann, goodPassword); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("the old password: %v", err)
	}
	for range 2 {
		if _, err := b.RedeemToken(from(t), ForReset, secret, "yet another quiet lantern"); !fault.Is(err, fault.Expired) {
			t.Errorf("a used link: %v", err)
		}
	}
	if _, err := b.PeekToken(from(t), ForReset, secret); !fault.Is(err, fault.Expired) {
		t.Errorf("a look at a used link: %v", err)
	}
}

func TestTokensThatAreNotGood(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(*testing.T, *bench)
		change  func(string) string
		purpose Purpose
	}{
		{name: "expired", prepare: func(_ *testing.T, b *bench) { b.now = b.now.Add(30 * time.Minute) }},
		{name: "never was", change: func(string) string { return token.NewSecret() }},
		{name: "empty", change: func(string) string { return "" }},
		{name: "cut short", change: func(s string) string { return s[:42] }},
		{name: "longer", change: func(s string) string { return s + "A" }},
		{name: "digest in its place", change: token.Digest},
		{name: "junk", change: func(string) string { return "' OR 1=1 --" }},
		{name: "endless", change: func(s string) string { return strings.Repeat(s, 100_000) }},
		{name: "other purpose", purpose: ForInvitation},
		{name: "no purpose", purpose: "x"},
		{name: "disabled", prepare: func(t *testing.T, b *bench) { b.setState(t, annID, Disabled) }},
		{name: "disabled and enabled again", prepare: func(t *testing.T, b *bench) {
			if err := errors.Join(b.Disable(t.Context(), annID, "cli"), b.Enable(t.Context(), annID, "cli")); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "deleted", prepare: func(t *testing.T, b *bench) {
			if err := b.store.DeleteAccount(t.Context(), annID); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "adopted", prepare: func(t *testing.T, b *bench) {
			if _, err := b.store.AdoptAccount(t.Context(), annID, Link{"contoso", "i", "s"}); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "address changed", prepare: func(t *testing.T, b *bench) {
			if _, err := b.store.UpdateAccount(t.Context(), annID, func(a *Account) error { a.Email = "ann@new.test"; return nil }); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "newer link", prepare: func(t *testing.T, b *bench) { issued(t, b) }},
		{name: "local switched off", prepare: func(_ *testing.T, b *bench) { b.Config.Enabled = false }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.local(t, ann)
			secret := issued(t, b)
			if tt.prepare != nil {
				tt.prepare(t, b)
			}
			b.posted()
			b.ended = nil
			if tt.change != nil {
				secret = tt.change(secret)
			}
			p := Purpose(or(string(tt.purpose), string(ForReset)))
			before := b.store.passwords[annID].Hash
			if a, err := b.PeekToken(from(t), p, secret); a != nil || !fault.Is(err, fault.Expired) {
				t.Errorf("peek: %+v, %v", a, err)
			}
			b.hash.spent.Store(0)
			a, err := b.RedeemToken(from(t), p, secret, otherPassword)
			if a != nil {
				t.Errorf("redeemed: %+v", a)
			}
			wantFault(t, err, fault.Expired)
			if b.hash.spent.Load() != 0 {
				t.Error("a bad token cost a hash: strangers could ask for many")
			}
			if got := b.store.passwords[annID].Hash; (got != before && got != "") || len(b.posted()) != 0 || len(b.ended) != 0 {
				t.Error("a bad token changed something")
			}
		})
	}
}

func TestRefusedPasswordLeavesTheTokenGood(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	secret := issued(t, b)
	for _, p := range []string{"short", "correct horse battery staple", goodPassword, ""} {
		_, err := b.RedeemToken(from(t), ForReset, secret, p)
		var refusal *PasswordError
		if !errors.As(err, &refusal) || refusal.Sentence == "" {
			t.Errorf("%q: %v", p, err)
		}
	}
	if _, err := b.RedeemToken(from(t), ForReset, secret, otherPassword); err != nil {
		t.Errorf("after four refusals: %v", err)
	}
}

func TestParallelRedeem(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	secret := issued(t, b)
	var won, lost atomic.Int32
	var winner atomic.Value
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			password := fmt.Sprintf("%s %d", otherPassword, i)
			switch _, err := b.RedeemToken(t.Context(), ForReset, secret, password); {
			case err == nil:
				won.Add(1)
				winner.Store(password)
			case fault.Is(err, fault.Expired):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 19 {
		t.Fatalf("%d won and %d lost, want 1 and 19", won.Load(), lost.Load())
	}
	if _, err := b.CheckPassword(t.Context(), ann, winner.Load().(string)); err != nil {
		t.Errorf("the winner's password: %v", err)
	}
	if got := b.posted(); len(got) != 1 {
		t.Errorf("mails %q", got)
	}
}

func TestRedeemWhenSomethingFails(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	secret := issued(t, b)
	b.endFail = errors.New("session store gone")
	a, err := b.RedeemToken(from(t), ForReset, secret, otherPassword)
	if a != nil {
		t.Error("the sessions live on and nobody is told")
	}
	if e := wantFault(t, err, fault.Unavailable); !strings.Contains(e.Sentence, "password is set") || e.Next != fault.NextSignIn {
		t.Errorf("sentence %q, next %v", e.Sentence, e.Next)
	}
	if diff := cmp.Diff([]string{"password_changed " + ann}, b.posted()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	for _, failing := range []string{"GetToken", "GetPassword", "RedeemToken"} {
		b := newBench(t)
		b.local(t, ann)
		secret := issued(t, b)
		b.store.before = func(call string) {
			b.store.mu.Lock()
			defer b.store.mu.Unlock()
			b.store.fail = nil
			if call == failing {
				b.store.fail = errors.New("disk gone")
			}
		}
		if _, err := b.RedeemToken(from(t), ForReset, secret, otherPassword); fault.KindOf(err) != fault.Internal {
			t.Errorf("%s fails: %v", failing, err)
		}
	}
}

func TestMailThatCannotBeQueuedStopsNothing(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	secret := issued(t, b)
	b.mailFail = errors.New("queue full")
	if _, err := b.RedeemToken(from(t), ForReset, secret, otherPassword); err != nil {
		t.Errorf("redeem: %v", err)
	}
	for range 3 {
		b.CheckPassword(from(t), ann, wrongly)
	}
	b.work(t)
	localEve(Active)(t, b)
	if _, err := b.Admit(from(t), eve("linker")); err != nil {
		t.Errorf("admit: %v", err)
	}
	for _, template := range []string{mailPasswordChanged, mailLocked, mailAdopted} {
		if !strings.Contains(b.logs(), "queue mail "+template) {
			t.Errorf("no word of the mail %s in the log:\n%s", template, b.logs())
		}
	}
}
