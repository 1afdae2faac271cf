package account

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/throttle"
)

// memory keeps what a database keeps, with the promises of Store, PasswordStore, TokenStore and throttle.Store. Safe for
// concurrent use.
type memory struct {
	mu        sync.Mutex
	accounts  map[string]Account
	links     map[Link]string
	passwords map[string]Password
	tokens    map[string]OneTime
	failures  map[string]*failures
	was       map[string]State // of removed accounts
	fail      error            // every call answers with it
	asked     int              // look-ups by name and of passwords
	before    func(call string)
}

type failures struct {
	at    []time.Time
	until time.Time
}

func newMemory() *memory {
	return &memory{accounts: map[string]Account{}, links: map[Link]string{}, passwords: map[string]Password{},
		tokens: map[string]OneTime{}, failures: map[string]*failures{}, was: map[string]State{}}
}

// enter locks and reports the failure that the test wants; before runs first, to come between two steps.
func (m *memory) enter(call string) error {
	if m.before != nil {
		m.before(call)
	}
	m.mu.Lock()
	return m.fail
}

var (
	errMissing  = fault.New(fault.NotFound, "There is no such record.")
	errExists   = fault.New(fault.Conflict, "It exists already.")
	errDisabled = fault.New(fault.Forbidden, "The account is disabled.")
)

func (a Account) copy() *Account { a.Groups = slices.Clone(a.Groups); return &a }

// clash reports whether a local account's names are another local account's.
func (m *memory) clash(a Account) bool {
	if a.Owner != OwnerLocal {
		return false
	}
	for _, b := range m.accounts {
		if b.ID == a.ID || b.Owner != OwnerLocal || !b.DeletedAt.IsZero() {
			continue
		}
		for _, name := range []string{a.Email, a.Username} {
			if name != "" && (name == b.Email || name == b.Username) {
				return true
			}
		}
	}
	return false
}

func (m *memory) CreateAccount(_ context.Context, a *Account, link *Link) error {
	defer m.mu.Unlock()
	if err := m.enter("CreateAccount"); err != nil {
		return err
	}
	_, taken := m.accounts[a.ID]
	if link != nil && !taken {
		_, taken = m.links[*link]
	}
	if taken || m.clash(*a) {
		return errExists
	}
	m.accounts[a.ID] = *a.copy()
	if link != nil {
		m.links[*link] = a.ID
	}
	return nil
}

func (m *memory) GetAccount(_ context.Context, id string) (*Account, error) {
	defer m.mu.Unlock()
	if err := m.enter("GetAccount"); err != nil {
		return nil, err
	}
	return m.get(id)
}

func (m *memory) get(id string) (*Account, error) {
	a, ok := m.accounts[id]
	if !ok {
		return nil, errMissing
	}
	return a.copy(), nil
}

func (m *memory) FindLocal(_ context.Context, identifier string) (*Account, error) {
	defer m.mu.Unlock()
	if err := m.enter("FindLocal"); err != nil {
		return nil, err
	}
	m.asked++
	for _, a := range m.accounts {
		if a.Owner == OwnerLocal && a.DeletedAt.IsZero() && identifier != "" && (a.Email == identifier || a.Username == identifier) {
			return a.copy(), nil
		}
	}
	return nil, errMissing
}

func (m *memory) FindByLink(_ context.Context, l Link) (*Account, error) {
	defer m.mu.Unlock()
	if err := m.enter("FindByLink"); err != nil {
		return nil, err
	}
	id, ok := m.links[l]
	if !ok {
		return nil, errMissing
	}
	return m.get(id)
}

func (m *memory) ListAccounts(_ context.Context, f Filter) ([]*Account, error) {
	defer m.mu.Unlock()
	if err := m.enter("ListAccounts"); err != nil {
		return nil, err
	}
	var out []*Account
	for _, a := range m.accounts {
		if f.Deleted != a.DeletedAt.IsZero() && (f.Email == "" || f.Email == a.Email) && (f.Owner == "" || f.Owner == a.Owner) && (f.State == "" || f.State == a.State) {
			out = append(out, a.copy())
		}
	}
	slices.SortFunc(out, func(a, b *Account) int { return strings.Compare(a.Email+a.ID, b.Email+b.ID) })
	return out, nil
}

func (m *memory) UpdateAccount(_ context.Context, id string, change func(*Account) error) (*Account, error) {
	defer m.mu.Unlock()
	if err := m.enter("UpdateAccount"); err != nil {
		return nil, err
	}
	a, err := m.get(id)
	if err != nil {
		return nil, err
	}
	old := *a
	if err := change(a); err != nil {
		return nil, err
	}
	a.ID, a.Owner, a.CreatedAt, a.DeletedAt = old.ID, old.Owner, old.CreatedAt, old.DeletedAt
	if m.clash(*a) {
		return nil, errExists
	}
	m.accounts[id] = *a.copy()
	if a.State == Disabled || a.Email != old.Email {
		m.dropTokens(id, "")
	}
	return a, nil
}

func (m *memory) AdoptAccount(_ context.Context, id string, link Link) (*Account, error) {
	defer m.mu.Unlock()
	if err := m.enter("AdoptAccount"); err != nil {
		return nil, err
	}
	a, err := m.get(id)
	if err != nil {
		return nil, err
	}
	if _, taken := m.links[link]; taken || a.Owner != OwnerLocal {
		return nil, errExists
	}
	a.Owner = link.Provider
	m.accounts[id], m.links[link] = *a.copy(), id
	delete(m.passwords, id)
	m.dropTokens(id, "")
	return a, nil
}

func (m *memory) DeleteAccount(_ context.Context, id string) error {
	defer m.mu.Unlock()
	if err := m.enter("DeleteAccount"); err != nil {
		return err
	}
	delete(m.accounts, id)
	delete(m.passwords, id)
	m.dropTokens(id, "")
	maps.DeleteFunc(m.links, func(_ Link, owner string) bool { return owner == id })
	return nil
}

func (m *memory) RemoveAccount(_ context.Context, id string, now time.Time) error {
	defer m.mu.Unlock()
	if err := m.enter("RemoveAccount"); err != nil {
		return err
	}
	a, err := m.get(id)
	if err != nil || !a.DeletedAt.IsZero() {
		return err
	}
	m.was[id] = a.State
	a.State, a.DeletedAt = Disabled, now
	m.accounts[id] = *a
	m.dropTokens(id, "")
	return nil
}

func (m *memory) RestoreAccount(_ context.Context, id string, _ time.Time) (*Account, error) {
	defer m.mu.Unlock()
	if err := m.enter("RestoreAccount"); err != nil {
		return nil, err
	}
	a, err := m.get(id)
	if err != nil || a.DeletedAt.IsZero() {
		return nil, errMissing
	}
	a.State, a.DeletedAt = m.was[id], time.Time{}
	if m.clash(*a) {
		return nil, errExists
	}
	m.accounts[id] = *a
	return a, nil
}

func (m *memory) PurgeAccounts(_ context.Context, before time.Time) (int, error) {
	defer m.mu.Unlock()
	if err := m.enter("PurgeAccounts"); err != nil {
		return 0, err
	}
	n := len(m.accounts)
	maps.DeleteFunc(m.accounts, func(_ string, a Account) bool { return !a.DeletedAt.IsZero() && a.DeletedAt.Before(before) })
	return n - len(m.accounts), nil
}

func (m *memory) dropTokens(id string, p Purpose) {
	maps.DeleteFunc(m.tokens, func(_ string, t OneTime) bool { return t.AccountID == id && (p == "" || t.Purpose == p) })
}

func (m *memory) GetPassword(_ context.Context, l Local) (Password, error) {
	defer m.mu.Unlock()
	if err := m.enter("GetPassword"); err != nil {
		return Password{}, err
	}
	m.asked++
	p := m.passwords[l.AccountID()]
	p.Previous = slices.Clone(p.Previous)
	return p, nil
}

func (m *memory) SetPassword(_ context.Context, l Local, hash string, history int, now time.Time) error {
	defer m.mu.Unlock()
	if err := m.enter("SetPassword"); err != nil {
		return err
	}
	return m.set(l.AccountID(), hash, history, now)
}

func (m *memory) set(id, hash string, history int, now time.Time) error {
	a, err := m.get(id)
	if err != nil || a.Owner != OwnerLocal {
		return errMissing
	}
	if a.State == Disabled {
		return errDisabled
	}
	p := m.passwords[id]
	if p.Hash != "" {
		p.Previous = append([]string{p.Hash}, p.Previous...)
	}
	p.Previous = p.Previous[:min(history, len(p.Previous))]
	p.Hash, p.ChangedAt = hash, now
	a.State = Active
	m.passwords[id], m.accounts[id] = p, *a
	m.dropTokens(id, "")
	return nil
}

func (m *memory) ReplacePassword(_ context.Context, l Local, old, hash string, history int, now time.Time) error {
	defer m.mu.Unlock()
	if err := m.enter("ReplacePassword"); err != nil {
		return err
	}
	if m.passwords[l.AccountID()].Hash != old {
		return errExists
	}
	return m.set(l.AccountID(), hash, history, now)
}

func (m *memory) UpgradeHash(_ context.Context, l Local, old, hash string) error {
	defer m.mu.Unlock()
	if err := m.enter("UpgradeHash"); err != nil {
		return err
	}
	if p := m.passwords[l.AccountID()]; p.Hash == old {
		p.Hash = hash
		m.passwords[l.AccountID()] = p
	}
	return nil
}

func (m *memory) CreateToken(_ context.Context, l Local, t OneTime) error {
	defer m.mu.Unlock()
	if err := m.enter("CreateToken"); err != nil {
		return err
	}
	switch a, err := m.get(l.AccountID()); {
	case err != nil:
		return err
	case a.Owner != OwnerLocal:
		return errExists
	case a.State == Disabled:
		return errDisabled
	}
	t.AccountID = l.AccountID()
	m.dropTokens(t.AccountID, t.Purpose)
	m.tokens[t.Digest] = t
	return nil
}

func (m *memory) GetToken(_ context.Context, digest string, p Purpose, now time.Time) (OneTime, error) {
	defer m.mu.Unlock()
	if err := m.enter("GetToken"); err != nil {
		return OneTime{}, err
	}
	return m.token(digest, p, now)
}

func (m *memory) token(digest string, p Purpose, now time.Time) (OneTime, error) {
	t, ok := m.tokens[digest]
	if a := m.accounts[t.AccountID]; a.Owner != OwnerLocal || a.State == Disabled {
		return OneTime{}, errMissing
	}
	if !ok || t.Purpose != p || !now.Before(t.ExpiresAt) {
		return OneTime{}, errMissing
	}
	return t, nil
}

func (m *memory) RedeemToken(_ context.Context, digest string, p Purpose, now time.Time, hash string, history int) (string, error) {
	defer m.mu.Unlock()
	if err := m.enter("RedeemToken"); err != nil {
		return "", err
	}
	t, err := m.token(digest, p, now)
	if err != nil {
		return "", err
	}
	if m.set(t.AccountID, hash, history, now) != nil {
		return "", errMissing
	}
	return t.AccountID, nil
}

func (m *memory) WithdrawReset(_ context.Context, digest string, now time.Time) (string, error) {
	defer m.mu.Unlock()
	if err := m.enter("WithdrawReset"); err != nil {
		return "", err
	}
	t, err := m.token(digest, ForWithdrawal, now)
	if err != nil {
		return "", err
	}
	delete(m.tokens, digest)
	m.dropTokens(t.AccountID, ForReset)
	return t.AccountID, nil
}

func (m *memory) SweepTokens(_ context.Context, now time.Time) (int, error) {
	defer m.mu.Unlock()
	if err := m.enter("SweepTokens"); err != nil {
		return 0, err
	}
	before := len(m.tokens)
	maps.DeleteFunc(m.tokens, func(_ string, t OneTime) bool { return t.ExpiresAt.Before(now) })
	return before - len(m.tokens), nil
}

func (m *memory) CountAttempt(_ context.Context, now time.Time, counters ...throttle.Counter) (out []int, err error) {
	defer m.mu.Unlock()
	if err := m.enter("CountAttempt"); err != nil {
		return nil, err
	}
	m.asked++
	for _, c := range counters {
		f := m.failures[c.Key]
		if f == nil || (!f.until.IsZero() && !now.Before(f.until)) {
			f = &failures{}
			m.failures[c.Key] = f
		}
		if !f.until.IsZero() {
			break
		}
		f.at = slices.DeleteFunc(append(f.at, now), func(t time.Time) bool { return !t.After(now.Add(-c.Window)) })
		if len(f.at) >= c.Limit {
			f.until = now.Add(c.Lock)
		}
		out = append(out, len(f.at))
	}
	return out, nil
}

func (m *memory) TakeBack(_ context.Context, _ time.Time, c throttle.Counter) error {
	defer m.mu.Unlock()
	if err := m.enter("TakeBack"); err != nil {
		return err
	}
	if f := m.failures[c.Key]; f != nil && len(f.at) > 0 {
		f.at = f.at[:len(f.at)-1]
		if len(f.at) < c.Limit {
			f.until = time.Time{}
		}
	}
	return nil
}

func (m *memory) LockedUntil(_ context.Context, now time.Time, keys ...string) (last time.Time, err error) {
	defer m.mu.Unlock()
	if err := m.enter("LockedUntil"); err != nil {
		return time.Time{}, err
	}
	for _, key := range keys {
		if f := m.failures[key]; f != nil && now.Before(f.until) && f.until.After(last) {
			last = f.until
		}
	}
	return last, nil
}

func (m *memory) ListLocks(_ context.Context, now time.Time) (out []throttle.Lock, err error) {
	defer m.mu.Unlock()
	if err := m.enter("ListLocks"); err != nil {
		return nil, err
	}
	for key, f := range m.failures {
		if now.Before(f.until) {
			out = append(out, throttle.Lock{Key: key, Until: f.until})
		}
	}
	return out, nil
}

func (m *memory) ClearFailures(_ context.Context, keys ...string) error {
	defer m.mu.Unlock()
	if err := m.enter("ClearFailures"); err != nil {
		return err
	}
	for _, key := range keys {
		delete(m.failures, key)
	}
	return nil
}
