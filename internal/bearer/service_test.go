package bearer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/bearer"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// memory is a Store; the contract is tested with the real ones.
type memory struct {
	mu   sync.Mutex
	all  map[string]bearer.Token
	down error
}

func (m *memory) CreateAccessToken(_ context.Context, t bearer.Token, digest string, _ int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[string]bearer.Token{}
	}
	m.all[digest] = t
	return m.down
}

func (m *memory) FindAccessToken(_ context.Context, digest string) (bearer.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.all[digest]
	if !ok && m.down == nil {
		return t, fault.New(fault.NotFound, "No.")
	}
	return t, m.down
}

func (m *memory) ListAccessTokens(_ context.Context, accountID string) (list []bearer.Token, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.all {
		if accountID == "" || t.AccountID == accountID {
			list = append(list, t)
		}
	}
	return list, nil
}

func (m *memory) TouchAccessToken(_ context.Context, id string, at time.Time, address string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for digest, t := range m.all {
		if t.ID == id {
			t.LastUsedAt, t.LastUsedFrom = at, address
			m.all[digest] = t
		}
	}
	return nil
}

func (m *memory) DeleteAccessToken(_ context.Context, _, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for digest, t := range m.all {
		if t.ID == id {
			delete(m.all, digest)
		}
	}
	return nil
}

func (m *memory) SweepAccessTokens(context.Context, time.Time) (int, error) { return 0, nil }

type events struct{ list []audit.Event }

func (e *events) Record(_ context.Context, ev audit.Event) { e.list = append(e.list, ev) }

func newService(m *memory, now *time.Time) (*bearer.Service, *events) {
	e := &events{}
	return &bearer.Service{Config: bearer.Config{}.Default(), Store: m, Audit: e, Now: func() time.Time { return *now }}, e
}

func TestLifeOfAToken(t *testing.T) {
	m, now := &memory{}, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	s, trail := newService(m, &now)
	made, secret, err := s.Create(t.Context(), bearer.Wanted{AccountID: "ann", Name: " import ", Paths: []string{"/api/**"}, Methods: []string{"GET"}, Lifetime: time.Hour}, "cli")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, "cmg_") || len(secret) != 47 || made.Name != "import" || !made.ExpiresAt.Equal(now.Add(time.Hour)) {
		t.Errorf("%q %+v", secret, made)
	}
	if _, plain := m.all[secret]; plain || m.all[token.Digest(secret)].ID != made.ID {
		t.Error("the store must have the digest alone")
	}
	got, err := s.Check(t.Context(), secret)
	if err != nil || got.ID != made.ID || !got.Scope().Covers("GET", "/api/x") || got.Scope().Covers("POST", "/api/x") {
		t.Errorf("%+v %v", got, err)
	}
	for range 3 {
		if err := s.Used(t.Context(), got, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		now = now.Add(10 * time.Second)
		got, _ = s.Check(t.Context(), secret)
	}
	if !got.LastUsedAt.Equal(now.Add(-30*time.Second)) || got.LastUsedFrom != "192.0.2.1" {
		t.Errorf("last used %s, want it moved once a minute", got.LastUsedAt)
	}
	if err := s.Revoke(t.Context(), "bob", made.ID, ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody else's token: %v", err)
	}
	now = made.ExpiresAt
	if _, err := s.Check(t.Context(), secret); !errors.Is(err, bearer.ErrBad) {
		t.Errorf("at its end: %v", err)
	}
	now = made.CreatedAt
	if err := s.Revoke(t.Context(), "ann", made.ID, "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context(), secret); !errors.Is(err, bearer.ErrBad) {
		t.Errorf("revoked: %v", err)
	}
	var kinds []audit.Kind
	for _, e := range trail.list {
		kinds = append(kinds, e.Kind)
		if e.AccountID != "ann" || !strings.Contains(e.Detail, `token "import"`) || strings.Contains(e.Detail, secret) {
			t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(kinds, []audit.Kind{audit.TokenCreated, audit.TokenRevoked}) {
		t.Error(kinds)
	}
}

func TestCreateRefuses(t *testing.T) {
	now := time.Now()
	s, _ := newService(&memory{}, &now)
	good := bearer.Wanted{AccountID: "ann", Name: "x", Paths: []string{"/**"}}
	with := func(f func(*bearer.Wanted)) bearer.Wanted { w := good; f(&w); return w }
	for name, w := range map[string]bearer.Wanted{
		"no name":          with(func(w *bearer.Wanted) { w.Name = "  " }),
		"long name":        with(func(w *bearer.Wanted) { w.Name = strings.Repeat("x", 101) }),
		"control in name":  with(func(w *bearer.Wanted) { w.Name = "a\x1b[31m" }),
		"no paths":         with(func(w *bearer.Wanted) { w.Paths = nil }),
		"path":             with(func(w *bearer.Wanted) { w.Paths = []string{"api"} }),
		"method":           with(func(w *bearer.Wanted) { w.Methods = []string{"get"} }),
		"more than a year": with(func(w *bearer.Wanted) { w.Lifetime = 367 * 24 * time.Hour }),
		"ended":            with(func(w *bearer.Wanted) { w.Lifetime = -time.Hour }),
		"endless list":     with(func(w *bearer.Wanted) { w.Paths = slices.Repeat([]string{"/a"}, 60) }),
	} {
		if _, _, err := s.Create(t.Context(), w, ""); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tok, _, err := s.Create(t.Context(), good, ""); err != nil || !tok.ExpiresAt.Equal(tok.CreatedAt.Add(365*24*time.Hour)) {
		t.Errorf("without a lifetime: %+v %v", tok, err)
	}
	s.Config.Enabled = false
	if _, _, err := s.Create(t.Context(), good, ""); !fault.Is(err, fault.Forbidden) {
		t.Errorf("switched off: %v", err)
	}
}

func TestCheckOfJunk(t *testing.T) {
	m, now := &memory{}, time.Now()
	s, _ := newService(m, &now)
	for _, junk := range []string{"", "cmg_", "cmg_short", token.NewSecret(), "CMG_" + token.NewSecret(), "cmg_" + token.NewSecret() + "x", "cmg_" + token.NewSecret()} {
		if _, err := s.Check(t.Context(), junk); !errors.Is(err, bearer.ErrBad) {
			t.Errorf("%q: %v", junk, err)
		}
	}
	m.down = errors.New("down")
	if _, err := s.Check(t.Context(), "cmg_"+token.NewSecret()); err == nil || errors.Is(err, bearer.ErrBad) {
		t.Errorf("a store that is down: %v", err)
	}
	if _, err := s.Check(t.Context(), "cmg_junk"); !errors.Is(err, bearer.ErrBad) {
		t.Error("junk reached the store")
	}
}

func TestConfig(t *testing.T) {
	if p := (bearer.Config{}.Default()).Validate(); len(p) != 0 {
		t.Error(p)
	}
	if p := (bearer.Config{MaxLifetime: 1000 * 24 * time.Hour, OwnerSeen: -1}).Validate(); len(p) != 3 {
		t.Error(p)
	}
}
