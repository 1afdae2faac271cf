package session

import (
	"context"
	"fmt"
)

// Update changes the record of a live session in one step (Store.UpdateSession), and this process sees the change at once.
func (m *Manager) Update(ctx context.Context, id string, change func(*Session) error) (*Session, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	s, err := m.Store.UpdateSession(ctx, id, change)
	m.memory.forget(id)
	if err != nil {
		return nil, fmt.Errorf("update session: %w", err)
	}
	return s, nil
}

// Current returns the session as the store has it now, and makes the next look-up see the same.
func (m *Manager) Current(ctx context.Context, id string) (*Session, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	s, err := m.Store.GetSession(ctx, id)
	m.memory.forget(id)
	if err != nil {
		return nil, fmt.Errorf("get session: %w", err)
	}
	return s, nil
}
