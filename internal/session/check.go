package session

import (
	"context"
	"fmt"
	"time"

	"crmgate/internal/fault"
)

// Urgency says how much a session needs its provider's word.
type Urgency int

// The urgencies.
const (
	// Settled needs nothing.
	Settled Urgency = iota
	// Due is asked about beside the requests, which go on with what is known.
	Due
	// Overdue is asked about before the next request goes on, as far as the provider answers in time.
	Overdue
	// Lapsed has waited for an answer for as long as it may: without one nobody passes.
	Lapsed
)

// Checker asks providers again whether the people of live sessions may stay. It is safe for concurrent use.
type Checker interface {
	// Urgency says how much a session needs to be asked about at a moment. It is cheap and asks nobody.
	Urgency(s *Session, now time.Time) Urgency
	// Check has the provider asked, once however many ask for it and on however many replicas, and returns at once. What the answer means
	// for the session it does itself. The channel is closed when that is done, or when it takes longer than a request should wait.
	Check(s *Session) (done <-chan struct{})
}

// confirmed has the provider asked about a session where that is due, and returns the session as it is after that: nil where it has ended.
func (m *Manager) confirmed(s *Session, now time.Time) (*Session, error) {
	if m.Checks == nil {
		return s, nil
	}
	switch m.Checks.Urgency(s, now) {
	case Settled:
		return s, nil
	case Due:
		m.Checks.Check(s)
		return s, nil
	}
	<-m.Checks.Check(s)
	// With time of its own: the provider may have taken what there was.
	ctx, cancel := detached(context.Background())
	defer cancel()
	s, err := m.Store.GetSession(ctx, s.ID)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if m.Checks.Urgency(s, m.now()) == Lapsed {
		return nil, fault.New(fault.Unavailable, "Your company's sign-in does not answer, so nobody can say whether you may still come in. Try again in a minute.")
	}
	return s, nil
}

// Update changes a session as Store.UpdateSession does. Requests that begin afterwards in this process see the change; other replicas see
// it when they ask the store again.
func (m *Manager) Update(ctx context.Context, id string, change func(*Session) error) (*Session, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	s, err := m.Store.UpdateSession(ctx, id, change)
	if err != nil {
		return nil, fmt.Errorf("change session: %w", err)
	}
	m.memory.outdate(id)
	return s, nil
}

// EndProvider ends the sessions that a provider names, as Store.DeleteProviderSessions does, and returns them.
func (m *Manager) EndProvider(ctx context.Context, provider, issuer, subject, sid string) ([]Ended, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	ended, err := m.Store.DeleteProviderSessions(ctx, provider, issuer, subject, sid)
	for _, e := range ended {
		m.memory.forget(e.ID)
	}
	if err != nil {
		return ended, fmt.Errorf("end sessions of provider: %w", err)
	}
	return ended, nil
}
