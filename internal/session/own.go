package session

import (
	"context"
	"fmt"
	"slices"

	"crmgate/internal/fault"
)

// ListOwn returns the live sessions of an account, newest first.
func (m *Manager) ListOwn(ctx context.Context, accountID string) ([]*Session, error) {
	if accountID == "" {
		return nil, nil // the store would list everybody's
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	all, err := m.Store.ListSessions(ctx, accountID)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	now := m.now()
	return slices.DeleteFunc(all, func(s *Session) bool { return !s.Live(now) }), nil
}

// EndOwn ends one session of an account. One that is gone, or another's, is fault.NotFound.
func (m *Manager) EndOwn(ctx context.Context, accountID, id string) error {
	all, err := m.ListOwn(ctx, accountID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(s *Session) bool { return s.ID == id }) {
		return fault.New(fault.NotFound, "This session has ended already.").WithReason("session_gone")
	}
	return m.Revoke(ctx, id)
}

// Rename gives every live session of an account the name that the account has now.
func (m *Manager) Rename(ctx context.Context, accountID, name string) error {
	all, err := m.ListOwn(ctx, accountID)
	if err != nil {
		return err
	}
	for _, s := range all {
		_, err := m.Update(ctx, s.ID, func(s *Session) error { s.Name = name; return nil })
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}
