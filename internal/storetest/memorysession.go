package storetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"crmgate/internal/session"
)

// CreatePending implements session.PendingStore.
func (m *Memory) CreatePending(_ context.Context, p session.Pending, keep int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.findPending(p.Digest, p.Holder, time.Time{}) >= 0 {
		return exists()
	}
	m.pending = append(m.pending, p)
	n := 0
	for i := len(m.pending) - 1; i >= 0; i-- {
		if m.pending[i].Holder != p.Holder {
			continue
		}
		if n++; n > keep {
			m.pending = slices.Delete(m.pending, i, i+1)
		}
	}
	return nil
}

func (m *Memory) findPending(digest, holder string, now time.Time) int {
	return slices.IndexFunc(m.pending, func(p session.Pending) bool {
		return p.Digest == digest && p.Holder == holder && holder != "" && now.Before(p.ExpiresAt)
	})
}

// GetPending implements session.PendingStore.
func (m *Memory) GetPending(_ context.Context, digest, holder string, now time.Time) (session.Pending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.findPending(digest, holder, now); i >= 0 {
		return m.pending[i], nil
	}
	return session.Pending{}, missing()
}

// UpdatePending implements session.PendingStore.
func (m *Memory) UpdatePending(_ context.Context, digest, holder string, now time.Time, change func(*session.Pending) error) (session.Pending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.findPending(digest, holder, now)
	if i < 0 {
		return session.Pending{}, missing()
	}
	p := m.pending[i]
	if err := change(&p); err != nil {
		return session.Pending{}, err
	}
	m.pending[i].State = p.State
	return m.pending[i], nil
}

// TakePending implements session.PendingStore.
func (m *Memory) TakePending(_ context.Context, digest, holder string, now time.Time) (session.Pending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.findPending(digest, holder, now)
	if i < 0 {
		return session.Pending{}, missing()
	}
	p := m.pending[i]
	m.pending = slices.Delete(m.pending, i, i+1)
	return p, nil
}

// SweepPending implements session.PendingStore.
func (m *Memory) SweepPending(_ context.Context, now time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.pending)
	m.pending = slices.DeleteFunc(m.pending, func(p session.Pending) bool { return p.ExpiresAt.Before(now) })
	return n - len(m.pending), nil
}

// CreateSession implements session.Store.
func (m *Memory) CreateSession(_ context.Context, s *session.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.sessions[s.ID]; ok {
		return exists()
	}
	m.sessions[s.ID] = *s
	return nil
}

// GetSession implements session.Store.
func (m *Memory) GetSession(_ context.Context, id string) (*session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[id]
	if !ok {
		return nil, missing()
	}
	return &s, nil
}

// TouchSession implements session.Store.
func (m *Memory) TouchSession(_ context.Context, id string, seen time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[id]
	if !ok {
		return missing()
	}
	if s.LastSeen.Before(seen) {
		s.LastSeen = seen
		m.sessions[id] = s
	}
	return nil
}

// UpdateSession implements session.Store.
func (m *Memory) UpdateSession(_ context.Context, id string, change func(*session.Session) error) (*session.Session, error) {
	return m.changeSession(id, change, (*session.Session).Keep)
}

// RenewSession implements session.Store.
func (m *Memory) RenewSession(_ context.Context, id string, change func(*session.Session) error) (*session.Session, error) {
	return m.changeSession(id, change, (*session.Session).Renewed)
}

func (m *Memory) changeSession(id string, change func(*session.Session) error, keep func(s, before *session.Session)) (*session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, ok := m.sessions[id]
	if !ok {
		return nil, missing()
	}
	s := before
	s.Groups, s.AMR = slices.Clone(s.Groups), slices.Clone(s.AMR)
	if err := change(&s); err != nil {
		return nil, err
	}
	keep(&s, &before)
	delete(m.sessions, id)
	m.sessions[s.ID] = s
	return &s, nil
}

// DeleteSession implements session.Store.
func (m *Memory) DeleteSession(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, id)
	return nil
}

// DeleteAccountSessions implements session.Store.
func (m *Memory) DeleteAccountSessions(_ context.Context, accountID, except string) (ids []string, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, s := range m.sessions {
		if s.AccountID == accountID && id != except {
			delete(m.sessions, id)
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// DeleteProviderSessions implements session.Store.
func (m *Memory) DeleteProviderSessions(_ context.Context, provider, issuer, subject, sid string) (out []session.Ended, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, s := range m.sessions {
		named := sid != "" && s.ProviderSession == sid || sid == "" && subject != "" && s.Subject == subject
		if named && s.Provider == provider && (issuer == "" || s.Issuer == issuer) {
			delete(m.sessions, id)
			out = append(out, session.Ended{ID: id, AccountID: s.AccountID})
		}
	}
	return out, nil
}

// ListSessions implements session.Store.
func (m *Memory) ListSessions(_ context.Context, accountID string) (out []*session.Session, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		if accountID == "" || s.AccountID == accountID {
			out = append(out, &s)
		}
	}
	slices.SortFunc(out, func(a, b *session.Session) int {
		return cmp.Or(b.SignedInAt.Compare(a.SignedInAt), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// SweepSessions implements session.Store.
func (m *Memory) SweepSessions(_ context.Context, now time.Time) (n int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, s := range m.sessions {
		if s.ExpiresAt.Before(now) || s.LastSeen.Add(s.IdleTimeout).Before(now) {
			delete(m.sessions, id)
			n++
		}
	}
	return n, nil
}
