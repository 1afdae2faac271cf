package session

import (
	"context"
	"fmt"

	"crmgate/internal/fault"
)

// Alive reports whether the session with an id is live, without counting as a use of it: what stays open by itself must not keep a
// session from growing idle.
func (m *Manager) Alive(ctx context.Context, id string) (bool, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	m.memory.open()
	asked := id
	s, err := m.Store.GetSession(ctx, id)
	for fault.Is(err, fault.NotFound) {
		// What was opened before the person proved more about themselves goes on: it was theirs, and a download must not break off.
		next, err2 := m.renamed(ctx, id)
		if err2 != nil {
			return false, err2
		}
		if next == "" {
			return false, nil
		}
		id = next
		s, err = m.Store.GetSession(ctx, id)
	}
	if err != nil {
		return false, fmt.Errorf("look session up: %w", err)
	}
	m.watch(asked, s)
	if id != asked {
		m.watch(id, s)
	}
	now := m.now()
	// What stays open for hours is asked about as well; it ends at the next look after the session has.
	if m.Checks != nil && s.Live(now) && m.Checks.Urgency(s, now) != Settled {
		m.Checks.Check(s)
	}
	return s.Live(now), nil
}

// watch remembers of a session what another name does not change.
func (m *Manager) watch(id string, s *Session) {
	is := lineage{s.AccountID, s.Bound()}
	if was, ok := m.memory.watched.GetIfPresent(id); !ok || was != is {
		m.memory.watched.Set(id, is)
	}
}

// renamed returns the name that a session got since it was called id, "" where there is none. Where another process gave it, it is found
// among the sessions of its account.
func (m *Manager) renamed(ctx context.Context, id string) (string, error) {
	if next, ok := m.memory.renewed.GetIfPresent(id); ok {
		return next, nil
	}
	is, ok := m.memory.watched.GetIfPresent(id)
	if !ok {
		if e, found := m.memory.known.GetIfPresent(id); found {
			is, ok = lineage{e.session.AccountID, e.session.Bound()}, true
		}
	}
	if !ok || is.account == "" { // no account would be everybody
		return "", nil
	}
	all, err := m.Store.ListSessions(ctx, is.account)
	if err != nil {
		return "", fmt.Errorf("list sessions: %w", err)
	}
	for _, s := range all {
		if s.ID != id && s.Bound() == is.bound {
			return s.ID, nil
		}
	}
	return "", nil
}
