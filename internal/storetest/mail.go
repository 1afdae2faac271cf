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
	q := queue{s: s, at: now()}
	t.Run("life of a mail", q.life)
	t.Run("a lease that runs out", q.lease)
	t.Run("each goes to one of many", q.oneOfMany)
	t.Run("hostile text", q.hostileText)
}

// queue is a store of mails and the time at which its tests begin.
type queue struct {
	s  mail.Store
	at time.Time
}

func (q queue) letter(due time.Duration) mail.Letter {
	return mail.Letter{ID: token.NewID(), To: "ann@example.test", Template: "reset_local", Content: "sealed", CreatedAt: q.at,
		DueAt: q.at.Add(due), ExpiresAt: q.at.Add(time.Hour)}
}

func (q queue) none(t *testing.T, when time.Time) {
	t.Helper()
	_, err := q.s.ClaimMail(t.Context(), when, when.Add(time.Minute))
	wantKind(t, "ClaimMail", err, fault.NotFound)
}

func (q queue) claim(t *testing.T, when time.Time, want string) mail.Letter {
	t.Helper()
	l, err := q.s.ClaimMail(t.Context(), when, when.Add(time.Minute))
	ok(t, err)
	same(t, "claimed", want, l.ID)
	return l
}

func (q queue) life(t *testing.T) {
	q.none(t, q.at)
	late, early := q.letter(2*time.Second), q.letter(time.Second)
	ok(t, q.s.EnqueueMail(t.Context(), late))
	ok(t, q.s.EnqueueMail(t.Context(), early))
	q.none(t, q.at)
	got := q.claim(t, q.at.Add(time.Second), early.ID)
	if got.Claim == "" {
		t.Error("a claimed mail has no claim")
	}
	want := early
	want.Tries, want.Claim = 1, got.Claim
	same(t, "claimed mail", want, got)
	q.none(t, q.at.Add(time.Second))
	got.DueAt, got.Reason = q.at.Add(10*time.Second), "451 "+strings.Repeat("later ", 1000)
	ok(t, q.s.RetryMail(t.Context(), got))
	other := q.claim(t, q.at.Add(5*time.Second), late.ID)
	q.none(t, q.at.Add(9*time.Second))
	again := q.claim(t, q.at.Add(10*time.Second), early.ID)
	same(t, "tries", 2, again.Tries)
	ok(t, q.s.FinishMail(t.Context(), again))
	other.DeadAt, other.Reason = q.at.Add(11*time.Second), "550 no"
	ok(t, q.s.BuryMail(t.Context(), other))
	q.none(t, q.at.Add(time.Hour))
	left, err := q.s.ListMails(t.Context())
	ok(t, err)
	want = late
	want.Tries, want.DeadAt, want.Reason, want.Content = 1, other.DeadAt, "550 no", ""
	same(t, "what is left", []mail.Letter{want}, left)
	for _, step := range []struct {
		before time.Duration
		n      int
	}{{11 * time.Second, 0}, {12 * time.Second, 1}} {
		n, err := q.s.SweepMails(t.Context(), q.at.Add(step.before))
		ok(t, err)
		same(t, "swept", step.n, n)
	}
}

func (q queue) lease(t *testing.T) {
	l := q.letter(0)
	ok(t, q.s.EnqueueMail(t.Context(), l))
	dead := q.claim(t, q.at, l.ID)
	q.none(t, q.at.Add(59*time.Second))
	next := q.claim(t, q.at.Add(time.Minute), l.ID)
	// The first comes back from its sleep: the mail is no longer its own.
	dead.DueAt = q.at.Add(time.Hour)
	ok(t, q.s.RetryMail(t.Context(), dead))
	ok(t, q.s.BuryMail(t.Context(), dead))
	ok(t, q.s.FinishMail(t.Context(), dead))
	left, err := q.s.ListMails(t.Context())
	ok(t, err)
	if len(left) != 1 || !left[0].DeadAt.IsZero() || !left[0].DueAt.Equal(l.DueAt) {
		t.Errorf("mails %+v", left)
	}
	ok(t, q.s.FinishMail(t.Context(), next))
}

func (q queue) oneOfMany(t *testing.T) {
	for range 20 {
		ok(t, q.s.EnqueueMail(t.Context(), q.letter(0)))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	for _, err := range together(50, func(i int) error {
		l, err := q.s.ClaimMail(t.Context(), q.at, q.at.Add(time.Minute))
		if err != nil {
			return err
		}
		mu.Lock()
		seen[l.ID]++
		mu.Unlock()
		return q.s.FinishMail(t.Context(), l)
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
		l, err := q.s.ClaimMail(t.Context(), q.at, q.at.Add(time.Minute))
		if fault.Is(err, fault.NotFound) {
			break
		}
		ok(t, err)
		seen[l.ID]++
		ok(t, q.s.FinishMail(t.Context(), l))
	}
	same(t, "mails claimed", 20, len(seen))
}

func (q queue) hostileText(t *testing.T) {
	l := q.letter(0)
	l.To, l.Content = "a\x00\xffb@example.test", fmt.Sprint("sealed ", strings.Repeat("x", 200_000))
	ok(t, q.s.EnqueueMail(t.Context(), l))
	got := q.claim(t, q.at, l.ID)
	same(t, "content", l.Content, got.Content)
	got.Reason, got.DeadAt = "\x00\xff", q.at
	ok(t, q.s.BuryMail(t.Context(), got))
}
