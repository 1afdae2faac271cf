package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/mail"
	"crmgate/internal/token"
)

// Mails is the contract of mail.Store, for a store that holds no mails yet.
func Mails(t *testing.T, s mail.Store) {
	at := now()
	letter := func(due time.Duration) mail.Letter {
		return mail.Letter{ID: token.NewID(), To: "ann@example.test", Template: "reset_local", Content: "sealed", CreatedAt: at,
			DueAt: at.Add(due), ExpiresAt: at.Add(time.Hour)}
	}
	none := func(t *testing.T, when time.Time) {
		t.Helper()
		_, err := s.ClaimMail(t.Context(), when, when.Add(time.Minute))
		wantKind(t, "ClaimMail", err, fault.NotFound)
	}
	claim := func(t *testing.T, when time.Time, want string) mail.Letter {
		t.Helper()
		l, err := s.ClaimMail(t.Context(), when, when.Add(time.Minute))
		ok(t, err)
		same(t, "claimed", want, l.ID)
		return l
	}
	t.Run("life of a mail", func(t *testing.T) {
		none(t, at)
		late, early := letter(2*time.Second), letter(time.Second)
		ok(t, s.EnqueueMail(t.Context(), late))
		ok(t, s.EnqueueMail(t.Context(), early))
		none(t, at)
		got := claim(t, at.Add(time.Second), early.ID)
		if got.Claim == "" {
			t.Error("a claimed mail has no claim")
		}
		want := early
		want.Tries, want.Claim = 1, got.Claim
		same(t, "claimed mail", want, got)
		none(t, at.Add(time.Second))
		got.DueAt, got.Reason = at.Add(10*time.Second), "451 "+strings.Repeat("later ", 1000)
		ok(t, s.RetryMail(t.Context(), got))
		other := claim(t, at.Add(5*time.Second), late.ID)
		none(t, at.Add(9*time.Second))
		again := claim(t, at.Add(10*time.Second), early.ID)
		same(t, "tries", 2, again.Tries)
		ok(t, s.FinishMail(t.Context(), again))
		other.DeadAt, other.Reason = at.Add(11*time.Second), "550 no"
		ok(t, s.BuryMail(t.Context(), other))
		none(t, at.Add(time.Hour))
		left, err := s.ListMails(t.Context())
		ok(t, err)
		want = late
		want.Tries, want.DeadAt, want.Reason, want.Content = 1, other.DeadAt, "550 no", ""
		same(t, "what is left", []mail.Letter{want}, left)
		for _, step := range []struct {
			before time.Duration
			n      int
		}{{11 * time.Second, 0}, {12 * time.Second, 1}} {
			n, err := s.SweepMails(t.Context(), at.Add(step.before))
			ok(t, err)
			same(t, "swept", step.n, n)
		}
	})
	t.Run("a lease that runs out", func(t *testing.T) {
		l := letter(0)
		ok(t, s.EnqueueMail(t.Context(), l))
		dead := claim(t, at, l.ID)
		none(t, at.Add(59*time.Second))
		next := claim(t, at.Add(time.Minute), l.ID)
		// The first comes back from its sleep: the mail is no longer its own.
		dead.DueAt = at.Add(time.Hour)
		ok(t, s.RetryMail(t.Context(), dead))
		ok(t, s.BuryMail(t.Context(), dead))
		ok(t, s.FinishMail(t.Context(), dead))
		left, err := s.ListMails(t.Context())
		ok(t, err)
		if len(left) != 1 || !left[0].DeadAt.IsZero() || !left[0].DueAt.Equal(l.DueAt) {
			t.Errorf("mails %+v", left)
		}
		ok(t, s.FinishMail(t.Context(), next))
	})
	t.Run("each goes to one of many", func(t *testing.T) {
		for range 20 {
			ok(t, s.EnqueueMail(t.Context(), letter(0)))
		}
		var mu sync.Mutex
		seen := map[string]int{}
		for _, err := range together(50, func(i int) error {
			l, err := s.ClaimMail(t.Context(), at, at.Add(time.Minute))
			if err != nil {
				return err
			}
			mu.Lock()
			seen[l.ID]++
			mu.Unlock()
			return s.FinishMail(t.Context(), l)
		}) {
			if err != nil && !fault.Is(err, fault.NotFound) {
				t.Error(err)
			}
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("mail %s was claimed %d times", id, n)
			}
		}
		for {
			l, err := s.ClaimMail(t.Context(), at, at.Add(time.Minute))
			if fault.Is(err, fault.NotFound) {
				break
			}
			ok(t, err)
			seen[l.ID]++
			ok(t, s.FinishMail(t.Context(), l))
		}
		same(t, "mails claimed", 20, len(seen))
	})
	t.Run("hostile text", func(t *testing.T) {
		l := letter(0)
		l.To, l.Content = "a\x00\xffb@example.test", fmt.Sprint("sealed ", strings.Repeat("x", 200_000))
		ok(t, s.EnqueueMail(t.Context(), l))
		got := claim(t, at, l.ID)
		same(t, "content", l.Content, got.Content)
		got.Reason, got.DeadAt = "\x00\xff", at
		ok(t, s.BuryMail(t.Context(), got))
	})
}
