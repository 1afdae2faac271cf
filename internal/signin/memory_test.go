package signin

import (
	"context"
	"sync"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/session"
)

// memory is as much of a session.Store as these tests need. The real ones are tested by storetest.
type memory struct {
	session.Store
	mu       sync.Mutex
	sessions map[string]session.Session
	err      error
}

var errNoSession = fault.New(fault.NotFound, "There is no such session.")

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *memory) put(s session.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[s.ID] = s
}

func (m *memory) CreateSession(_ context.Context, s *session.Session) error {
	m.put(*s)
	return nil
}

func (m *memory) GetSession(_ context.Context, id string) (*session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[id]
	switch {
	case m.err != nil:
		return nil, m.err
	case !ok:
		return nil, errNoSession
	}
	return &s, nil
}

func (m *memory) TouchSession(_ context.Context, id string, seen time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[id]
	if !ok {
		return errNoSession
	}
	s.LastSeen = seen
	m.sessions[id] = s
	return m.err
}

func (m *memory) UpdateSession(_ context.Context, id string, change func(*session.Session) error) (*session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[id]
	switch {
	case m.err != nil:
		return nil, m.err
	case !ok:
		return nil, errNoSession
	}
	if err := change(&s); err != nil {
		return nil, err
	}
	m.sessions[id] = s
	return &s, nil
}

func (m *memory) DeleteSession(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, id)
	return m.err
}

func (m *memory) DeleteProviderSessions(_ context.Context, provider, issuer, subject, sid string) ([]session.Ended, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	var ended []session.Ended
	for id, s := range m.sessions {
		if s.Provider == provider && s.Issuer == issuer && (sid != "" && s.ProviderSession == sid || sid == "" && s.Subject == subject) {
			delete(m.sessions, id)
			ended = append(ended, session.Ended{ID: id, AccountID: s.AccountID})
		}
	}
	return ended, nil
}

// people is a store of one account that is linked to everybody.
type people struct {
	account.Store
	mu  sync.Mutex
	a   account.Account
	err error
}

func (p *people) FindByLink(context.Context, account.Link) (*account.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	a := p.a
	return &a, nil
}

func (p *people) UpdateAccount(_ context.Context, _ string, change func(*account.Account) error) (*account.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.a
	if err := change(&a); err != nil {
		return nil, err
	}
	p.a = a
	return &a, nil
}
