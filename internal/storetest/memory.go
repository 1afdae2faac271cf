package storetest

import (
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
	account.RemovedStore

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
	mfa.DeviceStore
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

// CountAttempt implements throttle.Store.
func (m *Memory) CountAttempt(_ context.Context, now time.Time, counters ...throttle.Counter) (counts []int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range counters {
		f := m.failures[c.Key]
		if f != nil && now.Before(f.until) {
			return counts, nil
		}
		if f == nil || !f.until.IsZero() {
			f = &failure{}
			m.failures[c.Key] = f
		}
		f.at = append(slices.DeleteFunc(f.at, func(t time.Time) bool { return !now.Before(t.Add(c.Window)) }), now)
		if len(f.at) >= c.Limit {
			f.until = now.Add(c.Lock)
		}
		counts = append(counts, len(f.at))
	}
	return counts, nil
}

// TakeBack implements throttle.Store.
func (m *Memory) TakeBack(_ context.Context, _ time.Time, c throttle.Counter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.failures[c.Key]; f != nil && len(f.at) > 0 {
		if f.at = f.at[:len(f.at)-1]; len(f.at) < c.Limit {
			f.until = time.Time{}
		}
	}
	return nil
}

// LockedUntil implements throttle.Store.
func (m *Memory) LockedUntil(_ context.Context, now time.Time, keys ...string) (last time.Time, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		if f := m.failures[key]; f != nil && now.Before(f.until) && f.until.After(last) {
			last = f.until
		}
	}
	return last, nil
}

// ListLocks implements throttle.Store.
func (m *Memory) ListLocks(_ context.Context, now time.Time) (out []throttle.Lock, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, f := range m.failures {
		if now.Before(f.until) {
			out = append(out, throttle.Lock{Key: key, Until: f.until})
		}
	}
	return out, nil
}

// ClearFailures implements throttle.Store.
func (m *Memory) ClearFailures(_ context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.failures, key)
	}
	return nil
}
