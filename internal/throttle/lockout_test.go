package throttle_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/throttle"
)

// counts is a throttle.Store in memory.
type counts struct {
	mu   sync.Mutex
	keys map[string]*count
	err  error
}

type count struct {
	failures []time.Time
	until    time.Time
}

func (c *counts) get(key string, now time.Time) *count {
	if c.keys == nil {
		c.keys = map[string]*count{}
	}
	k := c.keys[key]
	if k == nil || (!k.until.IsZero() && !now.Before(k.until)) {
		k = &count{}
		c.keys[key] = k
	}
	return k
}

func (c *counts) AddFailure(_ context.Context, key string, now time.Time, window, lock time.Duration, limit int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.get(key, now)
	k.failures = append(k.failures, now)
	n := 0
	for _, t := range k.failures {
		if t.After(now.Add(-window)) {
			n++
		}
	}
	if n >= limit && k.until.IsZero() {
		k.until = now.Add(lock)
	}
	return n, c.err
}

func (c *counts) LockedUntil(_ context.Context, key string, now time.Time) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.get(key, now).until, c.err
}

func (c *counts) ClearFailures(_ context.Context, key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, key)
	return c.err
}

// bench is a Lockout with a clock that only the test moves.
func bench() (*throttle.Lockout, *counts, *time.Time) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	store := &counts{}
	l := &throttle.Lockout{
		Store:  store,
		Config: throttle.Config{Failures: 3, Window: 10 * time.Minute, Duration: 15 * time.Minute},
		Now:    func() time.Time { return now },
	}
	return l, store, &now
}

func TestLockoutCountsBeforeTheAnswer(t *testing.T) {
	ctx := t.Context()
	l, _, now := bench()
	steps := []struct {
		name        string
		after       time.Duration
		allowed, at bool // at: this attempt locks
	}{
		{name: "first", allowed: true},
		{name: "second", allowed: true},
		{name: "third locks and is still looked at", allowed: true, at: true},
		{name: "fourth", allowed: false},
		{name: "a lock is not extended", after: 14 * time.Minute, allowed: false},
		{name: "over after its time", after: time.Minute, allowed: true},
		{name: "counting starts anew", allowed: true},
	}
	for _, s := range steps {
		*now = now.Add(s.after)
		allowed, locked, err := l.Begin(ctx, "k")
		if err != nil || allowed != s.allowed || locked != s.at {
			t.Errorf("%s: allowed %v, locked now %v, error %v; want %v, %v", s.name, allowed, locked, err, s.allowed, s.at)
		}
	}
}

func TestLockoutForgetsOldFailures(t *testing.T) {
	ctx := t.Context()
	l, _, now := bench()
	for range 5 {
		if allowed, locked, err := l.Begin(ctx, "k"); !allowed || locked || err != nil {
			t.Fatalf("an attempt every six minutes: allowed %v, locked %v, error %v", allowed, locked, err)
		}
		*now = now.Add(6 * time.Minute)
	}
}

func TestLockoutEnds(t *testing.T) {
	for name, end := range map[string]func(*throttle.Lockout, context.Context, string) error{
		"by the right password":   (*throttle.Lockout).Succeed,
		"by the administrator":    (*throttle.Lockout).Unlock,
		"nothing was locked":      (*throttle.Lockout).Succeed,
		"unlocking is idempotent": (*throttle.Lockout).Unlock,
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			l, _, now := bench()
			if !strings.Contains(name, "nothing") {
				for range 3 {
					if _, _, err := l.Begin(ctx, "k"); err != nil {
						t.Fatal(err)
					}
				}
				until, err := l.Locked(ctx, "k")
				if err != nil || !until.Equal(now.Add(15*time.Minute)) {
					t.Fatalf("locked until %v, error %v", until, err)
				}
			}
			if err := end(l, ctx, "k"); err != nil {
				t.Fatal(err)
			}
			if until, err := l.Locked(ctx, "k"); err != nil || !until.IsZero() {
				t.Errorf("still locked until %v, error %v", until, err)
			}
			if allowed, locked, err := l.Begin(ctx, "k"); !allowed || locked || err != nil {
				t.Errorf("next attempt: allowed %v, locked %v, error %v", allowed, locked, err)
			}
		})
	}
}

func TestLockoutLetsNobodyPassWhenTheStoreFails(t *testing.T) {
	l, store, _ := bench()
	store.err = errors.New("disk gone")
	allowed, locked, err := l.Begin(t.Context(), "k")
	if allowed || locked || !errors.Is(err, store.err) {
		t.Errorf("allowed %v, locked %v, error %v", allowed, locked, err)
	}
	for name, f := range map[string]func() error{
		"locked":  func() error { _, err := l.Locked(t.Context(), "k"); return err },
		"succeed": func() error { return l.Succeed(t.Context(), "k") },
		"unlock":  func() error { return l.Unlock(t.Context(), "k") },
	} {
		if err := f(); !errors.Is(err, store.err) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestLockoutHoldsAgainstParallelGuesses(t *testing.T) {
	l, _, _ := bench()
	var allowed, locked atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			a, now, err := l.Begin(t.Context(), "k")
			if err != nil {
				t.Error(err)
			}
			if a {
				allowed.Add(1)
			}
			if now {
				locked.Add(1)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 3 || locked.Load() != 1 {
		t.Errorf("%d guesses looked at and %d told that they locked, want 3 and 1", allowed.Load(), locked.Load())
	}
}

func TestKeyHidesWhatWasTyped(t *testing.T) {
	k := throttle.Key("identifier", "hunter2hunter2")
	if strings.Contains(k, "hunter2") || !strings.HasPrefix(k, "identifier:") {
		t.Errorf("key %q", k)
	}
	if k == throttle.Key("account", "hunter2hunter2") || k == throttle.Key("identifier", "hunter3hunter3") {
		t.Error("two subjects share a key")
	}
	if k != throttle.Key("identifier", "hunter2hunter2") {
		t.Error("one subject has two keys")
	}
}

func TestConfigValidate(t *testing.T) {
	good := throttle.Config{}.Default()
	tests := []struct {
		name   string
		change func(*throttle.Config)
		want   []string // paths, with "?" after that of a warning
	}{
		{name: "defaults", change: func(*throttle.Config) {}},
		{name: "no failure allowed", change: func(c *throttle.Config) { c.Failures = 0 }, want: []string{"failures"}},
		{name: "negative", change: func(c *throttle.Config) { c.Failures = -1 }, want: []string{"failures"}},
		{name: "more than the standard allows", change: func(c *throttle.Config) { c.Failures = 101 }, want: []string{"failures"}},
		{name: "no window", change: func(c *throttle.Config) { c.Window = 0 }, want: []string{"window"}},
		{name: "no lock", change: func(c *throttle.Config) { c.Duration = -time.Second }, want: []string{"duration"}},
		{name: "lock of days", change: func(c *throttle.Config) { c.Duration = 72 * time.Hour }, want: []string{"duration?"}},
		{name: "all at once", change: func(c *throttle.Config) { *c = throttle.Config{} }, want: []string{"failures", "window", "duration"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			var got []string
			for _, p := range c.Validate() {
				if p.Hint == "" || p.Message == "" {
					t.Errorf("%s: no hint or message: %+v", p.Path, p)
				}
				if p.Warning {
					p.Path += "?"
				}
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}
