package session_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/session"
)

// fake is a session.Store in memory that counts, fails and waits as a test asks. The real ones are tested by storetest.
type fake struct {
	mu       sync.Mutex
	sessions map[string]session.Session
	gets     int
	touches  int
	// err is returned by everything while it is set; touchErr by TouchSession alone, listErr
	// by ListSessions.
	err, touchErr, listErr error
	// onGet runs in GetSession after the record was read and before it is returned.
	onGet func(ctx context.Context)
}

func newFake() *fake { return &fake{sessions: make(map[string]session.Session)} }

func (f *fake) CreateSession(_ context.Context, s *session.Session) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.sessions[s.ID] = *s
	}
	return f.err
}

func (f *fake) GetSession(ctx context.Context, id string) (*session.Session, error) {
	f.mu.Lock()
	f.gets++
	s, ok := f.sessions[id]
	err, hook := f.err, f.onGet
	f.mu.Unlock()
	if hook != nil {
		hook(ctx)
	}
	switch {
	case err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !ok:
		return nil, fault.New(fault.NotFound, "There is no such session.")
	}
	return &s, nil
}

func (f *fake) TouchSession(_ context.Context, id string, seen time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touches++
	s, ok := f.sessions[id]
	if f.err != nil || f.touchErr != nil {
		return fault.New(fault.Unavailable, "The store is down.")
	}
	if !ok {
		return fault.New(fault.NotFound, "There is no such session.")
	}
	s.LastSeen = seen
	f.sessions[id] = s
	return nil
}

func (f *fake) UpdateSession(_ context.Context, id string, change func(*session.Session) error) (*session.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sessions[id]
	switch {
	case f.err != nil:
		return nil, f.err
	case !ok:
		return nil, fault.New(fault.NotFound, "There is no such session.")
	}
	if err := change(&s); err != nil {
		return nil, err
	}
	f.sessions[id] = s
	return &s, nil
}

func (f *fake) RenewSession(_ context.Context, id string, change func(*session.Session) error) (*session.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sessions[id]
	switch {
	case f.err != nil:
		return nil, f.err
	case !ok:
		return nil, fault.New(fault.NotFound, "There is no such session.")
	}
	if err := change(&s); err != nil {
		return nil, err
	}
	delete(f.sessions, id)
	f.sessions[s.ID] = s
	return &s, nil
}

func (f *fake) DeleteSession(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		delete(f.sessions, id)
	}
	return f.err
}

func (f *fake) DeleteAccountSessions(_ context.Context, accountID, except string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	var ids []string
	for id, s := range f.sessions {
		if s.AccountID == accountID && id != except {
			delete(f.sessions, id)
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (f *fake) DeleteProviderSessions(_ context.Context, provider, issuer, subject, sid string) ([]session.Ended, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	var ended []session.Ended
	for id, s := range f.sessions {
		if s.Provider == provider && s.Issuer == issuer && (sid != "" && s.ProviderSession == sid || sid == "" && s.Subject == subject) {
			delete(f.sessions, id)
			ended = append(ended, session.Ended{ID: id, AccountID: s.AccountID})
		}
	}
	return ended, nil
}

func (f *fake) ListSessions(_ context.Context, accountID string) ([]*session.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*session.Session
	for _, s := range f.sessions {
		if accountID == "" || s.AccountID == accountID {
			all = append(all, &s)
		}
	}
	slices.SortFunc(all, func(a, b *session.Session) int { return b.SignedInAt.Compare(a.SignedInAt) })
	return all, errors.Join(f.err, f.listErr)
}

func (f *fake) SweepSessions(context.Context, time.Time) (int, error) { return 0, nil }

func (f *fake) counts() (gets, touches int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gets, f.touches
}

func (f *fake) ids() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.sessions))
}

func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// clock is a Now that only moves when told.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
