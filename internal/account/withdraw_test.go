package account

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// asked asks for a reset and returns the secrets of the mail's two links.
func (b *bench) asked(t *testing.T) (reset, withdraw string) {
	t.Helper()
	if _, err := b.RequestReset(from(t), ResetRequest{Identifier: ann}); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	if len(b.mails) == 0 {
		t.Fatal("no mail")
	}
	m := b.mails[len(b.mails)-1].Data.(ResetMail)
	return secretIn(t, m.Link), secretIn(t, m.WithdrawLink)
}

func TestWithdraw(t *testing.T) {
	tests := []struct {
		name   string
		before func(*testing.T, *bench, string) // with the secret of the reset link
		gone   bool
	}{
		{name: "at once"},
		{name: "after the password was set", before: func(t *testing.T, b *bench, reset string) {
			if _, err := b.RedeemToken(t.Context(), ForReset, reset, otherPassword); err != nil {
				t.Fatal(err)
			}
		}, gone: true},
		{name: "after the link's end", before: func(_ *testing.T, b *bench, _ string) { b.now = b.now.Add(30 * time.Minute) }, gone: true},
		{name: "after another request", before: func(t *testing.T, b *bench, _ string) { b.asked(t) }, gone: true},
		{name: "after disabling", before: func(t *testing.T, b *bench, _ string) { b.setState(t, annID, Disabled) }, gone: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.local(t, ann)
			reset, withdraw := b.asked(t)
			if tt.before != nil {
				tt.before(t, b, reset)
			}
			b.reasons()
			err := b.Withdraw(from(t), withdraw)
			if tt.gone {
				wantFault(t, err, fault.Expired)
				if got := b.reasons(); len(got) != 0 {
					t.Errorf("events %q", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"reset_withdrawn by_mail " + annID}, b.reasons()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			_, err = b.RedeemToken(t.Context(), ForReset, reset, otherPassword)
			wantFault(t, err, fault.Expired)
			if _, err := b.CheckPassword(t.Context(), ann, goodPassword); err != nil {
				t.Errorf("the password does not work any more: %v", err)
			}
		})
	}
}

// The link that withdraws is no link that sets, and the other way round.
func TestWithdrawalOpensNothing(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	reset, withdraw := b.asked(t)
	for _, p := range []Purpose{ForReset, ForInvitation, ForWithdrawal} {
		_, err := b.RedeemToken(t.Context(), p, withdraw, otherPassword)
		if p != ForWithdrawal {
			wantFault(t, err, fault.Expired)
		} else if err == nil {
			t.Error("a withdrawal set a password")
		}
	}
	for _, secret := range []string{reset, "", "x", token.NewSecret()} {
		wantFault(t, b.Withdraw(t.Context(), secret), fault.Expired)
	}
	if _, err := b.PeekToken(t.Context(), ForReset, reset); err != nil {
		t.Errorf("the request is gone: %v", err)
	}
}

// Fifty set a password and fifty withdraw at once: one of the hundred is first, and it is the only one.
func TestWithdrawalAndResetRace(t *testing.T) {
	for range 3 {
		b := newBench(t)
		b.local(t, ann)
		reset, withdraw := b.asked(t)
		var set, withdrawn atomic.Int32
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				var err error
				if i%2 == 0 {
					if _, err = b.RedeemToken(context.Background(), ForReset, reset, otherPassword); err == nil {
						set.Add(1)
					}
				} else if err = b.Withdraw(context.Background(), withdraw); err == nil {
					withdrawn.Add(1)
				}
				if err != nil && !fault.Is(err, fault.Expired) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if set.Load()+withdrawn.Load() != 1 {
			t.Errorf("%d set a password and %d withdrew", set.Load(), withdrawn.Load())
		}
	}
}

func TestRequireUsername(t *testing.T) {
	tests := []struct {
		name, identifier, username string
		mail                       bool
		reason                     string
	}{
		{name: "both right", identifier: "Ann@Example.test", username: " ASmith ", mail: true, reason: "link_sent"},
		{name: "wrong user name", identifier: ann, username: "bsmith", reason: "wrong_username"},
		{name: "no user name", identifier: ann, reason: "wrong_username"},
		{name: "user name twice", identifier: "asmith", username: "asmith", reason: "wrong_username"},
		{name: "another's address", identifier: "bob@example.test", username: "asmith", reason: "wrong_username"},
		{name: "has no user name", identifier: "bob@example.test", mail: true, reason: "link_sent"},
		{name: "has none and types the address", identifier: "bob@example.test", username: "bob@example.test", mail: true, reason: "link_sent"},
		{name: "nobody", identifier: nobody, username: "asmith", reason: "unknown"},
		{name: "a provider's", identifier: "eve@elsewhere.test", username: "x", mail: true, reason: "provider_named"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.Config.Reset.RequireUsername = true
			b.local(t, ann)
			if _, err := b.store.UpdateAccount(t.Context(), annID, func(a *Account) error { a.Username = "asmith"; return nil }); err != nil {
				t.Fatal(err)
			}
			b.local(t, "bob@example.test")
			b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@elsewhere.test", State: Active})
			answer, err := b.RequestReset(from(t), ResetRequest{Identifier: tt.identifier, Username: tt.username})
			if diff := cmp.Diff(ResetAnswer{}, answer); diff != "" || err != nil {
				t.Errorf("answer %v %s", err, diff)
			}
			b.work(t)
			if got := len(b.posted()) == 1; got != tt.mail {
				t.Errorf("mail %v", got)
			}
			if len(b.events) != 1 || b.events[0].Reason != tt.reason {
				t.Errorf("events %+v", b.events)
			}
		})
	}
}
