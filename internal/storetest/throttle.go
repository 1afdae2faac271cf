package storetest

import (
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
	t.Run("window slides", func(t *testing.T) { throttleWindow(t, s) })
	t.Run("clear", func(t *testing.T) {
		key, at := token.NewID(), now()
		for range 3 {
			_, err := s.AddFailure(t.Context(), key, at, time.Minute, time.Minute, 3)
			ok(t, err)
		}
		ok(t, s.ClearFailures(t.Context(), key))
		ok(t, s.ClearFailures(t.Context(), key))
		until, err := s.LockedUntil(t.Context(), key, at)
		ok(t, err)
		same(t, "LockedUntil after ClearFailures", time.Time{}, until)
		n, err := s.AddFailure(t.Context(), key, at, time.Minute, time.Minute, 3)
		ok(t, err)
		same(t, "count after ClearFailures", 1, n)
	})
	t.Run("hostile keys stay apart", func(t *testing.T) {
		prefix := token.NewID()
		for _, key := range []string{"a", "A", "a\x00", "a\xff", "a%", "a_", strings.Repeat("a", 10_000), strings.Repeat("a", 10_001), "'; --"} {
			n, err := s.AddFailure(t.Context(), prefix+key, now(), time.Minute, time.Minute, 10)
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
		{"fourth does not extend", 3 * time.Minute, 4, 2*time.Minute + lock},
		{"fifth at the last moment", 2*time.Minute + lock - time.Millisecond, 5, 2*time.Minute + lock},
		{"after the lock it starts again", 2*time.Minute + lock, 1, 0},
	}
	for _, step := range steps {
		when := at.Add(step.after)
		n, err := s.AddFailure(t.Context(), key, when, window, lock, limit)
		ok(t, err)
		same(t, step.name+": count", step.count, n)
		until, err := s.LockedUntil(t.Context(), key, when)
		ok(t, err)
		want := time.Time{}
		if step.locked != 0 {
			want = at.Add(step.locked)
		}
		same(t, step.name+": locked until", want, until)
	}
	until, err := s.LockedUntil(t.Context(), other, at)
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
		n, err := s.AddFailure(t.Context(), key, at.Add(step.after), time.Minute, time.Minute, 10)
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
			n, err := s.AddFailure(t.Context(), key, at, time.Minute, time.Minute, limit)
			mu.Lock()
			defer mu.Unlock()
			seen[n]++
			return err
		}) {
			ok(t, err)
		}
		for n := 1; n <= 100; n++ {
			if seen[n] != 1 {
				t.Fatalf("limit %d: count %d was returned %d times, want once each of 1 to 100", limit, n, seen[n])
			}
		}
		until, err := s.LockedUntil(t.Context(), key, at)
		ok(t, err)
		if locked := !until.IsZero(); locked != (limit == 10) {
			t.Errorf("limit %d: locked = %v after 100 failures", limit, locked)
		}
	}
}
