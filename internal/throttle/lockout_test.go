package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/audit"
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

func (c *counts) CountAttempt(_ context.Context, now time.Time, counters ...throttle.Counter) (out []int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range counters {
		k := c.get(one.Key, now)
		if !k.until.IsZero() {
			break
		}
		k.failures = append(slices.DeleteFunc(k.failures, func(t time.Time) bool { return !t.After(now.Add(-one.Window)) }), now)
		if len(k.failures) >= one.Limit {
			k.until = now.Add(one.Lock)
		}
		out = append(out, len(k.failures))
	}
	return out, c.err
}

func (c *counts) TakeBack(_ context.Context, now time.Time, one throttle.Counter) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.get(one.Key, now)
	if n := len(k.failures); n > 0 {
		k.failures = k.failures[:n-1]
	}
	if len(k.failures) < one.Limit {
		k.until = time.Time{}
	}
	return c.err
}

func (c *counts) LockedUntil(_ context.Context, now time.Time, keys ...string) (last time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		if until := c.get(key, now).until; until.After(last) {
			last = until
		}
	}
	return last, c.err
}

func (c *counts) ListLocks(_ context.Context, now time.Time) (out []throttle.Lock, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.keys {
		if until := c.get(key, now).until; !until.IsZero() {
			out = append(out, throttle.Lock{Key: key, Until: until})
		}
	}
	return out, c.err
}

func (c *counts) ClearFailures(_ context.Context, keys ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		delete(c.keys, key)
	}
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

func from(t *testing.T, address string) context.Context {
	return audit.WithOrigin(t.Context(), audit.Origin{Address: address})
}

// One network tries many names; the sentence it then gets is the same for each, and nothing counts for a name any more.
func TestLockoutOfANetwork(t *testing.T) {
	tests := []struct {
		name, first, second string
		together            bool
	}{
		{"one IPv4 address", "203.0.113.7", "203.0.113.7", true},
		{"its neighbour", "203.0.113.7", "203.0.113.8", false},
		{"one IPv6 subscriber", "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"another subscriber", "2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"IPv4 in IPv6", "203.0.113.7", "::ffff:203.0.113.7", true},
		{"junk is one client", "junk", "1.2.3.4:99", true},
		{"the command line is none", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _, now := bench()
			l.Config.NetworkFailures = 4
			for i := range 4 {
				if allowed, _, err := l.Begin(from(t, tt.first), throttle.AccountKey(fmt.Sprint(i))); !allowed || err != nil {
					t.Fatalf("attempt %d: %v, %v", i+1, allowed, err)
				}
			}
			for _, key := range []string{throttle.AccountKey("other"), throttle.Key("identifier", "nobody")} {
				_, _, err := l.Begin(from(t, tt.second), key)
				if got := errors.Is(err, throttle.ErrNetworkLocked); got != tt.together {
					t.Fatalf("attempt 5: %v", err)
				}
				if until, _ := l.Locked(t.Context(), key); !until.IsZero() {
					t.Error("the refusal counted for the name")
				}
			}
			if !tt.together {
				return
			}
			if err := l.UnlockNetwork(t.Context(), tt.second); (err != nil) != strings.ContainsAny(tt.second, "j") && tt.first != "junk" {
				t.Errorf("unlock: %v", err)
			}
			*now = now.Add(15 * time.Minute)
			if _, _, err := l.Begin(from(t, tt.second), "k"); err != nil {
				t.Errorf("after the lock: %v", err)
			}
		})
	}
}

// Somebody who has one password cannot make their network forget its guessing of others'.
func TestRightPasswordTakesBackOnlyItself(t *testing.T) {
	l, _, _ := bench()
	l.Config.NetworkFailures = 4
	own, ctx := throttle.AccountKey("own"), from(t, "203.0.113.7")
	for i := range 4 {
		if _, _, err := l.Begin(ctx, throttle.AccountKey(fmt.Sprint("victim", i))); err != nil {
			t.Fatalf("guess %d: %v", i+1, err)
		}
		if i == 3 {
			break
		}
		for range 3 {
			if _, _, err := l.Begin(ctx, own); err != nil {
				t.Fatal(err)
			}
			if err := l.Succeed(ctx, own); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, err := l.Begin(ctx, own); !errors.Is(err, throttle.ErrNetworkLocked) {
		t.Errorf("after four guesses between sign-ins of one's own: %v", err)
	}
}

// However slowly somebody guesses, an account sees a hundred wrong passwords in a row at most.
func TestLockoutTotal(t *testing.T) {
	for kind, endless := range map[string]bool{"account": true, "identifier": false} {
		l, _, now := bench()
		l.Config.Total = 7
		key, seen := throttle.Key(kind, "x"), 0
		for range 40 {
			allowed, lockedNow, err := l.Begin(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if allowed {
				seen++
			}
			if lockedNow && seen%3 != 0 && seen != 7 {
				t.Errorf("%s: locked at attempt %d", kind, seen)
			}
			*now = now.Add(20 * time.Minute)
		}
		if (seen == 7) != endless {
			t.Errorf("%s: %d attempts were looked at", kind, seen)
		}
		until, err := l.Locked(t.Context(), key)
		if err != nil || throttle.Endless(until, *now) != endless {
			t.Errorf("%s: locked until %v, %v", kind, until, err)
		}
		all, err := l.ListLocked(t.Context())
		if err != nil || throttle.Endless(all[key], *now) != endless {
			t.Errorf("%s: locks %v, %v", kind, all, err)
		}
		if err := l.Unlock(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if allowed, _, err := l.Begin(t.Context(), key); !allowed || err != nil {
			t.Errorf("%s: after the unlock: %v, %v", kind, allowed, err)
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
		{name: "all at once", change: func(c *throttle.Config) { *c = throttle.Config{} }, want: []string{"failures", "window", "duration", "total"}},
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
