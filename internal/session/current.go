package session

import (
	"context"
	"fmt"
)

// Current returns the session as the store has it now, and makes the next look-up in this process see the same.
func (m *Manager) Current(ctx context.Context, id string) (*Session, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	s, err := m.Store.GetSession(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("get session: %w", err)
	}
	m.memory.outdate(id)
	return s, nil
}
