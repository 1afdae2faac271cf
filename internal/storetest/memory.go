package storetest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

// Memory keeps factors, sessions, pending steps, failures and what may be used once, and as much of accounts as they need, for tests of the
// rules above the stores. It passes the suites here. Everything else of account's stores is nil and panics.
type Memory struct {
	account.Store
	account.PasswordStore
	account.TokenStore

	mu        sync.Mutex
	accounts  map[string]account.Account
	passwords map[string]account.Password
	factors   []mfa.Enrolment
	prompts   map[string]time.Time
	devices   []mfa.Device
	pending   []session.Pending
	sessions  map[string]session.Session
	once      map[[2]string]time.Time
	failures  map[string]*failure
}

type failure struct {
	at    []time.Time
	until time.Time
}

var _ interface {
	mfa.Store
	session.Store
	session.PendingStore
	token.OnceStore
	throttle.Store
} = (*Memory)(nil)

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{accounts: map[string]account.Account{}, passwords: map[string]account.Password{}, prompts: map[string]time.Time{},
		sessions: map[string]session.Session{}, once: map[[2]string]time.Time{}, failures: map[string]*failure{}}
}

// Person adds an active local account and returns its id.
func (m *Memory) Person(email string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := account.Account{ID: token.NewID(), Owner: account.OwnerLocal, Email: email, State: account.Active}
	m.accounts[a.ID] = a
	return a.ID
}

func missing() error { return fault.New(fault.NotFound, "There is no such record.") }
func exists() error  { return fault.New(fault.Conflict, "It exists already.") }

// CreateAccount implements account.Store, without links.
func (m *Memory) CreateAccount(_ context.Context, a *account.Account, _ *account.Link) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.accounts[a.ID]; ok {
		return exists()
	}
	m.accounts[a.ID] = *a
	return nil
}

// GetAccount implements account.Store.
func (m *Memory) GetAccount(_ context.Context, id string) (*account.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.accounts[id]
	if !ok {
		return nil, missing()
	}
	return &a, nil
}

// FindLocal implements account.Store.
func (m *Memory) FindLocal(_ context.Context, identifier string) (*account.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.accounts {
		if a.Owner == account.OwnerLocal && (a.Email == identifier || a.Username == identifier) {
			return &a, nil
		}
	}
	return nil, missing()
}

// UpdateAccount implements account.Store.
func (m *Memory) UpdateAccount(_ context.Context, id string, change func(*account.Account) error) (*account.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.accounts[id]
	if !ok {
		return nil, missing()
	}
	if err := change(&a); err != nil {
		return nil, err
	}
	m.accounts[id] = a
	return &a, nil
}

// AdoptAccount implements account.Store, without links.
func (m *Memory) AdoptAccount(_ context.Context, id string, link account.Link) (*account.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.accounts[id]
	a.Owner = link.Provider
	m.accounts[id] = a
	m.drop(id)
	return &a, nil
}

// DeleteAccount implements account.Store.
func (m *Memory) DeleteAccount(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.accounts, id)
	m.drop(id)
	return nil
}

// drop removes an account's factors and devices and returns how many factors there were.
func (m *Memory) drop(accountID string) int {
	n := len(m.factors)
	m.factors = slices.DeleteFunc(m.factors, func(e mfa.Enrolment) bool { return e.AccountID == accountID })
	m.dropDevices(accountID, "")
	return n - len(m.factors)
}

func (m *Memory) dropDevices(accountID, id string) {
	m.devices = slices.DeleteFunc(m.devices, func(d mfa.Device) bool { return d.AccountID == accountID && (id == "" || d.ID == id) })
}

// GetPassword implements account.PasswordStore.
func (m *Memory) GetPassword(_ context.Context, l account.Local) (account.Password, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.passwords[l.AccountID()], nil
}

// SetPassword implements account.PasswordStore, without a history.
func (m *Memory) SetPassword(_ context.Context, l account.Local, hash string, _ int, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passwords[l.AccountID()] = account.Password{Hash: hash, ChangedAt: now}
	m.dropDevices(l.AccountID(), "")
	return nil
}

// CreateFactor implements mfa.Store.
func (m *Memory) CreateFactor(_ context.Context, e mfa.Enrolment, most int, onlyFirst bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.accounts[e.AccountID]; !ok {
		return missing()
	}
	n := 0
	for _, f := range m.factors {
		if f.Lookup == e.Lookup && e.Lookup != "" || onlyFirst && f.AccountID == e.AccountID && f.Kind != mfa.Recovery {
			return exists()
		}
		if f.AccountID == e.AccountID {
			n++
		}
	}
	if n >= most {
		return exists()
	}
	m.factors = append(m.factors, e)
	return nil
}

// ListFactors implements mfa.Store.
func (m *Memory) ListFactors(_ context.Context, accountID string) ([]mfa.Enrolment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []mfa.Enrolment
	for _, e := range m.factors {
		if e.AccountID == accountID {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b mfa.Enrolment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return out, nil
}

// FindFactor implements mfa.Store.
func (m *Memory) FindFactor(_ context.Context, lookup string) (mfa.Enrolment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.factors {
		if e.Lookup == lookup && lookup != "" {
			return e, nil
		}
	}
	return mfa.Enrolment{}, missing()
}

// UpdateFactor implements mfa.Store.
func (m *Memory) UpdateFactor(_ context.Context, accountID, id string, change func(*mfa.Enrolment) error) (mfa.Enrolment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.factors, func(e mfa.Enrolment) bool { return e.ID == id && e.AccountID == accountID })
	if i < 0 {
		return mfa.Enrolment{}, missing()
	}
	e := m.factors[i]
	if err := change(&e); err != nil {
		return mfa.Enrolment{}, err
	}
	f := &m.factors[i]
	f.Name, f.Secret, f.UsedAt = e.Name, e.Secret, e.UsedAt
	return *f, nil
}

// DeleteFactor implements mfa.Store.
func (m *Memory) DeleteFactor(_ context.Context, accountID, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.factors)
	m.factors = slices.DeleteFunc(m.factors, func(e mfa.Enrolment) bool { return e.ID == id && e.AccountID == accountID })
	if len(m.factors) == n {
		return missing()
	}
	return nil
}

// DeleteFactors implements mfa.Store.
func (m *Memory) DeleteFactors(_ context.Context, accountID string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.drop(accountID), nil
}

// FirstPrompted implements mfa.Store.
func (m *Memory) FirstPrompted(_ context.Context, accountID string, now time.Time) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.prompts[accountID]; !ok {
		m.prompts[accountID] = now
	}
	return m.prompts[accountID], nil
}

// CreateDevice implements mfa.Store.
func (m *Memory) CreateDevice(_ context.Context, d mfa.Device, keep int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.devices = append(m.devices, d)
	var mine []mfa.Device
	for _, e := range m.devices {
		if e.AccountID == d.AccountID {
			mine = append(mine, e)
		}
	}
	slices.SortStableFunc(mine, func(a, b mfa.Device) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for i := 0; i < len(mine)-keep; i++ {
		m.dropDevices(d.AccountID, mine[i].ID)
	}
	return nil
}

// UseDevice implements mfa.Store.
func (m *Memory) UseDevice(_ context.Context, accountID, digest string, now time.Time) (mfa.Device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, d := range m.devices {
		if d.AccountID == accountID && d.Digest == digest && now.Before(d.ExpiresAt) {
			m.devices[i].UsedAt = now
			return m.devices[i], nil
		}
	}
	return mfa.Device{}, missing()
}

// ListDevices implements mfa.Store.
func (m *Memory) ListDevices(_ context.Context, accountID string, now time.Time) ([]mfa.Device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []mfa.Device
	for _, d := range m.devices {
		if d.AccountID == accountID && now.Before(d.ExpiresAt) {
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b mfa.Device) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return out, nil
}

// DeleteDevice implements mfa.Store.
func (m *Memory) DeleteDevice(_ context.Context, accountID, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropDevices(accountID, id)
	return nil
}

// SweepDevices implements mfa.Store.
func (m *Memory) SweepDevices(_ context.Context, now time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.devices)
	m.devices = slices.DeleteFunc(m.devices, func(d mfa.Device) bool { return d.ExpiresAt.Before(now) })
	return n - len(m.devices), nil
}

// UseOnce implements token.OnceStore.
func (m *Memory) UseOnce(_ context.Context, purpose, id string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.once[[2]string{purpose, id}]; ok {
		return exists()
	}
	m.once[[2]string{purpose, id}] = until
	return nil
}

// SweepOnce implements token.OnceStore.
func (m *Memory) SweepOnce(_ context.Context, now time.Time) (n int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, until := range m.once {
		if until.Before(now) {
			delete(m.once, k)
			n++
		}
	}
	return n, nil
}

// AddFailure implements throttle.Store.
func (m *Memory) AddFailure(_ context.Context, key string, now time.Time, window, lock time.Duration, limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.failures[key]
	if f == nil || !f.until.IsZero() && !now.Before(f.until) {
		f = &failure{}
		m.failures[key] = f
	}
	f.at = append(slices.DeleteFunc(f.at, func(t time.Time) bool { return !now.Before(t.Add(window)) }), now)
	if len(f.at) >= limit && f.until.IsZero() {
		f.until = now.Add(lock)
	}
	return len(f.at), nil
}

// LockedUntil implements throttle.Store.
func (m *Memory) LockedUntil(_ context.Context, key string, now time.Time) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.failures[key]; f != nil && now.Before(f.until) {
		return f.until, nil
	}
	return time.Time{}, nil
}

// ClearFailures implements throttle.Store.
func (m *Memory) ClearFailures(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.failures, key)
	return nil
}

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
	s.Keep(&before)
	m.sessions[id] = s
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
