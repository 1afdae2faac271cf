package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

// maxSubject is the longest key of a failure count that is kept as it is; an index of PostgreSQL holds no long ones.
const maxSubject = 200

// failureSweep is how often rows that say nothing any more are removed. They are made by strangers who try names, so they
// must not pile up until somebody thinks of them.
const failureSweep = time.Minute

// subject is a key as it is stored.
func subject(key string) string {
	if len(key) > maxSubject || !storable(key) {
		return "sha256:" + token.Digest(key)
	}
	return key
}

// failures is one row: the failures within the window, and the lock.
type failures struct {
	times       []int64
	lockedUntil int64
	expiresAt   int64
}

// add counts one failure, unless the key is locked. The window slides: what counts is how many failures lie within it at each moment,
// so waiting for a boundary wins nothing. When a lock has ended, what led to it is forgotten; otherwise the next mistake would
// lock again at once.
func (f *failures) add(now int64, c throttle.Counter) (locked bool) {
	if f.lockedUntil > now {
		return true
	}
	if f.lockedUntil != 0 {
		*f = failures{}
	}
	f.times = slices.DeleteFunc(f.times, func(t int64) bool { return t <= now-c.Window.Milliseconds() })
	f.times = append(f.times, now)
	if len(f.times) >= c.Limit {
		f.lockedUntil = now + c.Lock.Milliseconds()
	}
	f.expiresAt = max(now+c.Window.Milliseconds(), f.lockedUntil)
	return false
}

// lockFailures makes the row of a key or waits for whoever holds it: an upsert that changes nothing does so on both engines.
func lockFailures(ctx context.Context, q queryer, key string) (*failures, error) {
	var f failures
	var times string
	err := q.QueryRowContext(ctx, `INSERT INTO failures (subject, times, beyond, locked_until, expires_at) VALUES ($1, '[]', 0, 0, 0)
		ON CONFLICT (subject) DO UPDATE SET subject = excluded.subject RETURNING times, locked_until, expires_at`, subject(key)).
		Scan(&times, &f.lockedUntil, &f.expiresAt)
	if err != nil {
		return nil, err
	}
	return &f, json.Unmarshal([]byte(times), &f.times)
}

func saveFailures(ctx context.Context, q queryer, key string, f *failures) error {
	times, err := json.Marshal(f.times)
	if err != nil {
		return err
	}
	return exec(ctx, q, "UPDATE failures SET times = $1, locked_until = $2, expires_at = $3 WHERE subject = $4",
		string(times), f.lockedUntil, f.expiresAt, subject(key))
}

// CountAttempt implements throttle.Store. Callers name their counters in one order (network, account, total), so two of them cannot
// wait for each other.
func (d *DB) CountAttempt(ctx context.Context, now time.Time, counters ...throttle.Counter) ([]int, error) {
	counts, err := write(ctx, d, step{verb: "count attempt"}, func(ctx context.Context, q queryer) ([]int, error) {
		var counts []int
		for _, c := range counters {
			f, err := lockFailures(ctx, q, c.Key)
			if err != nil {
				return nil, err
			}
			if f.add(ms(now), c) {
				return counts, nil
			}
			if err := saveFailures(ctx, q, c.Key, f); err != nil {
				return nil, err
			}
			counts = append(counts, len(f.times))
		}
		return counts, nil
	})
	if err == nil {
		d.sweepFailures(ctx, now)
	}
	return counts, err
}

// TakeBack implements throttle.Store.
func (d *DB) TakeBack(ctx context.Context, now time.Time, c throttle.Counter) error {
	_, err := write(ctx, d, step{verb: "take back attempt"}, func(ctx context.Context, q queryer) (struct{}, error) {
		f, err := lockFailures(ctx, q, c.Key)
		if err != nil {
			return struct{}{}, err
		}
		if len(f.times) > 0 {
			f.times = f.times[:len(f.times)-1]
		}
		if len(f.times) < c.Limit {
			f.lockedUntil = 0
		}
		f.expiresAt = max(ms(now.Add(c.Window)), f.lockedUntil)
		return struct{}{}, saveFailures(ctx, q, c.Key, f)
	})
	return err
}

// sweepFailures removes what says nothing any more, now and then. It runs after the count and its trouble is nobody's: the next
// one tries again.
func (d *DB) sweepFailures(ctx context.Context, now time.Time) {
	last := d.lastSweep.Load()
	if ms(now)-last < failureSweep.Milliseconds() || !d.lastSweep.CompareAndSwap(last, ms(now)) {
		return
	}
	// A row that somebody is just making has expires_at 0, but only inside a transaction that this one does not see.
	_, _ = d.sweep(ctx, step{verb: "sweep failures"}, "DELETE FROM failures WHERE expires_at < $1", now)
}

// LockedUntil implements throttle.Store.
func (d *DB) LockedUntil(ctx context.Context, now time.Time, keys ...string) (time.Time, error) {
	return read(ctx, d, step{verb: "get lock"}, func(ctx context.Context, q queryer) (time.Time, error) {
		var last int64
		for _, key := range keys {
			until, err := all(ctx, q, scanInt, "SELECT locked_until FROM failures WHERE subject = $1 AND locked_until > $2", subject(key), ms(now))
			if err != nil {
				return time.Time{}, err
			}
			for _, t := range until {
				last = max(last, t)
			}
		}
		return at(last), nil
	})
}

// ListLocks implements throttle.Store.
func (d *DB) ListLocks(ctx context.Context, now time.Time) ([]throttle.Lock, error) {
	return read(ctx, d, step{verb: "list locks"}, func(ctx context.Context, q queryer) ([]throttle.Lock, error) {
		scan := func(r row) (l throttle.Lock, err error) {
			var until int64
			err = r.Scan(&l.Key, &until)
			l.Until = at(until)
			return l, err
		}
		return all(ctx, q, scan, "SELECT subject, locked_until FROM failures WHERE locked_until > $1 ORDER BY subject", ms(now))
	})
}

func scanInt(r row) (n int64, err error) {
	err = r.Scan(&n)
	return n, err
}

// ClearFailures implements throttle.Store.
func (d *DB) ClearFailures(ctx context.Context, keys ...string) error {
	_, err := write(ctx, d, step{verb: "clear failures"}, func(ctx context.Context, q queryer) (struct{}, error) {
		for _, key := range keys {
			if err := exec(ctx, q, "DELETE FROM failures WHERE subject = $1", subject(key)); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}
