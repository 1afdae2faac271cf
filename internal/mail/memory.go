package mail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"crmgate/internal/fault"
)

// capacity bounds the mails that wait in memory.
const capacity = 512

// memory is the Store of a Sender without one: what it holds ends with the process.
type memory struct {
	mu      sync.Mutex
	letters []Letter
	closed  bool
}

var errNone = fault.New(fault.NotFound, "No mail is due.")

func (m *memory) EnqueueMail(_ context.Context, l Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return errors.New("the sender has stopped")
	case len(m.letters) >= capacity:
		return fmt.Errorf("%d mails are waiting already", len(m.letters))
	}
	m.letters = append(m.letters, l)
	return nil
}

func (m *memory) ClaimMail(_ context.Context, now, _ time.Time) (Letter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	best := -1
	for i, l := range m.letters {
		if l.Claim == "" && !l.DueAt.After(now) && (best < 0 || l.DueAt.Before(m.letters[best].DueAt)) {
			best = i
		}
	}
	if best < 0 {
		return Letter{}, errNone
	}
	m.letters[best].Claim = "taken"
	m.letters[best].Tries++
	return m.letters[best], nil
}

func (m *memory) FinishMail(_ context.Context, l Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = slices.DeleteFunc(m.letters, func(have Letter) bool { return have.ID == l.ID })
	return nil
}

// BuryMail forgets a mail: the log has said why.
func (m *memory) BuryMail(ctx context.Context, l Letter) error { return m.FinishMail(ctx, l) }

func (m *memory) RetryMail(_ context.Context, l Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.letters {
		if m.letters[i].ID == l.ID {
			m.letters[i].DueAt, m.letters[i].Reason, m.letters[i].Claim = l.DueAt, l.Reason, ""
		}
	}
	return nil
}

func (m *memory) ListMails(context.Context) ([]Letter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.letters), nil
}

func (m *memory) SweepMails(context.Context, time.Time) (int, error) { return 0, nil }

// next returns how long until a mail is due, at most most.
func (m *memory) next(now time.Time, most time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.letters {
		if l.Claim == "" {
			most = min(most, l.DueAt.Sub(now))
		}
	}
	return max(most, 0)
}

// last makes everything due: there will be no later.
func (m *memory) last() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.letters {
		m.letters[i].DueAt = time.Time{}
	}
}

// close refuses further mails where none waits, and reports whether none does.
func (m *memory) close() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = m.closed || len(m.letters) == 0
	return m.closed
}
