package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

// Throttle is the contract of throttle.Store.
func Throttle(t *testing.T, s throttle.Store) {
	t.Run("life of a lock", func(t *testing.T) { throttleLife(t, s) })
	t.Run("several counters", func(t *testing.T) { throttleSeveral(t, s) })
	t.Run("take back", func(t *testing.T) { throttleTakeBack(t, s) })
	t.Run("window slides", func(t *testing.T) { throttleWindow(t, s) })
	t.Run("clear", func(t *testing.T) {
		key, at := token.NewID(), now()
		for range 3 {
			_, err := add(t, s, key, at, time.Minute, time.Minute, 3)
			ok(t, err)
		}
		ok(t, s.ClearFailures(t.Context(), key))
		ok(t, s.ClearFailures(t.Context(), key))
		until, err := s.LockedUntil(t.Context(), at, key)
		ok(t, err)
		same(t, "LockedUntil after ClearFailures", time.Time{}, until)
		n, err := add(t, s, key, at, time.Minute, time.Minute, 3)
		ok(t, err)
		same(t, "count after ClearFailures", 1, n)
	})
	t.Run("hostile keys stay apart", func(t *testing.T) {
		prefix := token.NewID()
		for _, key := range []string{"a", "A", "a\x00", "a\xff", "a%", "a_", strings.Repeat("a", 10_000), strings.Repeat("a", 10_001), "'; --"} {
			n, err := add(t, s, prefix+key, now(), time.Minute, time.Minute, 10)
			ok(t, err)
			same(t, "count of a new key", 1, n)
		}
	})
	t.Run("a hundred at once are a hundred", func(t *testing.T) { throttleParallel(t, s) })
}

func throttleLife(t *testing.T, s throttle.Store) {
	key, other, at := token.NewID(), token.NewID(), now()
	const window, lock, limit = 15 * time.Minute, 5 * time.Minute, 3
	steps := []struct {
		name   string
		after  time.Duration
		count  int
		locked time.Duration // until, after the start; 0 is not
	}{
		{"first", 0, 1, 0},
		{"second", time.Minute, 2, 0},
		{"third locks", 2 * time.Minute, 3, 2*time.Minute + lock},
		{"fourth does not count nor extend", 3 * time.Minute, locked, 2*time.Minute + lock},
		{"fifth at the last moment", 2*time.Minute + lock - time.Millisecond, locked, 2*time.Minute + lock},
		{"after the lock it starts again", 2*time.Minute + lock, 1, 0},
	}
	for _, step := range steps {
		when := at.Add(step.after)
		n, err := add(t, s, key, when, window, lock, limit)
		ok(t, err)
		same(t, step.name+": count", step.count, n)
		until, err := s.LockedUntil(t.Context(), when, key)
		ok(t, err)
		want := time.Time{}
		if step.locked != 0 {
			want = at.Add(step.locked)
		}
		same(t, step.name+": locked until", want, until)
	}
	until, err := s.LockedUntil(t.Context(), at, other)
	ok(t, err)
	same(t, "LockedUntil of an unknown key", time.Time{}, until)
}

func throttleWindow(t *testing.T, s throttle.Store) {
	key, at := token.NewID(), now()
	// One failure early, the others around the end of the window that it opened: a fixed window would start again there.
	for i, step := range []struct {
		after time.Duration
		count int
	}{{0, 1}, {50 * time.Second, 2}, {59 * time.Second, 3}, {60 * time.Second, 3}, {61 * time.Second, 4}, {3 * time.Minute, 1}} {
		n, err := add(t, s, key, at.Add(step.after), time.Minute, time.Minute, 10)
		ok(t, err)
		if n != step.count {
			t.Errorf("failure %d after %v: count %d, want %d", i+1, step.after, n, step.count)
		}
	}
}

func throttleParallel(t *testing.T, s throttle.Store) {
	for _, limit := range []int{1000, 10} {
		key, at := token.NewID(), now()
		var mu sync.Mutex
		seen := map[int]int{}
		for _, err := range together(100, func(int) error {
			n, err := add(t, s, key, at, time.Minute, time.Minute, limit)
			mu.Lock()
			defer mu.Unlock()
			seen[n]++
			return err
		}) {
			ok(t, err)
		}
		for n := 1; n <= min(limit, 100); n++ {
			if seen[n] != 1 {
				t.Fatalf("limit %d: count %d was returned %d times, want once each", limit, n, seen[n])
			}
		}
		same(t, "attempts on the locked key", 100-min(limit, 100), seen[locked])
		until, err := s.LockedUntil(t.Context(), at, key)
		ok(t, err)
		if is := !until.IsZero(); is != (limit == 10) {
			t.Errorf("limit %d: locked = %v after 100 failures", limit, is)
		}
	}
}

// locked stands for an attempt that was not counted.
const locked = -1

// add counts one attempt for one key.
func add(t *testing.T, s throttle.Store, key string, now time.Time, window, lock time.Duration, limit int) (int, error) {
	counts, err := s.CountAttempt(t.Context(), now, throttle.Counter{Key: key, Limit: limit, Window: window, Lock: lock})
	if err != nil || len(counts) == 0 {
		return locked, err
	}
	return counts[0], nil
}

func throttleSeveral(t *testing.T, s throttle.Store) {
	at := now()
	counter := func(limit int) throttle.Counter {
		return throttle.Counter{Key: token.NewID(), Limit: limit, Window: time.Minute, Lock: time.Hour}
	}
	first, second, third := counter(4), counter(2), counter(100)
	for i, want := range [][]int{{1, 1, 1}, {2, 2, 2}, {3}, {4}, nil, nil} {
		got, err := s.CountAttempt(t.Context(), at, first, second, third)
		ok(t, err)
		same(t, fmt.Sprint("counts of attempt ", i+1), want, got)
	}
	until, err := s.LockedUntil(t.Context(), at, third.Key, second.Key, first.Key)
	ok(t, err)
	same(t, "last lock", at.Add(time.Hour), until)
	listed := map[string]bool{}
	locks, err := s.ListLocks(t.Context(), at)
	ok(t, err)
	for _, l := range locks {
		listed[l.Key] = l.Until.Equal(at.Add(time.Hour))
	}
	if !listed[first.Key] || !listed[second.Key] || listed[third.Key] {
		t.Errorf("locks %v", locks)
	}
	ok(t, s.ClearFailures(t.Context(), first.Key, second.Key, third.Key))
	got, err := s.CountAttempt(t.Context(), at, first, second, third)
	ok(t, err)
	same(t, "counts after all were forgotten", []int{1, 1, 1}, got)
}

func throttleTakeBack(t *testing.T, s throttle.Store) {
	at := now()
	c := throttle.Counter{Key: token.NewID(), Limit: 2, Window: time.Minute, Lock: time.Minute}
	count := func(want int) {
		t.Helper()
		n, err := add(t, s, c.Key, at, c.Window, c.Lock, c.Limit)
		ok(t, err)
		same(t, "count", want, n)
	}
	ok(t, s.TakeBack(t.Context(), at, c))
	count(1)
	ok(t, s.TakeBack(t.Context(), at, c))
	count(1)
	count(2)
	count(locked)
	ok(t, s.TakeBack(t.Context(), at, c))
	count(2)
}
