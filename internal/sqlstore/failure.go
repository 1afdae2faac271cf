package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"time"

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
	beyond      int64
	lockedUntil int64
}

// add counts one failure. The window slides: what counts is how many failures lie within it at each moment, so waiting
// for a boundary wins nothing. While locked only the number grows. When a lock has ended, what led to it is forgotten;
// otherwise the next mistake would lock again at once.
func (f *failures) add(now int64, window, lock time.Duration, limit int) (count int) {
	if f.lockedUntil > now {
		f.beyond++
		return len(f.times) + int(f.beyond)
	}
	if f.lockedUntil != 0 {
		*f = failures{}
	}
	f.times = slices.DeleteFunc(f.times, func(t int64) bool { return t <= now-window.Milliseconds() })
	f.times = append(f.times, now)
	if len(f.times) >= limit {
		f.lockedUntil = now + lock.Milliseconds()
	}
	return len(f.times)
}

// AddFailure implements throttle.Store.
func (d *DB) AddFailure(ctx context.Context, key string, now time.Time, window, lock time.Duration, limit int) (int, error) {
	n, err := write(ctx, d, step{verb: "count failure"}, func(ctx context.Context, q queryer) (int, error) {
		var f failures
		var times string
		// An upsert that changes nothing makes the row or waits for whoever holds it, on both engines.
		err := q.QueryRowContext(ctx, `INSERT INTO failures (subject, times, beyond, locked_until, expires_at) VALUES ($1, '[]', 0, 0, 0)
			ON CONFLICT (subject) DO UPDATE SET subject = excluded.subject RETURNING times, beyond, locked_until`, subject(key)).
			Scan(&times, &f.beyond, &f.lockedUntil)
		if err != nil {
			return 0, err
		}
		if err := json.Unmarshal([]byte(times), &f.times); err != nil {
			return 0, err
		}
		n := f.add(ms(now), window, lock, limit)
		stored, err := json.Marshal(f.times)
		if err != nil {
			return 0, err
		}
		return n, exec(ctx, q, "UPDATE failures SET times = $1, beyond = $2, locked_until = $3, expires_at = $4 WHERE subject = $5",
			string(stored), f.beyond, f.lockedUntil, max(ms(now.Add(window)), f.lockedUntil), subject(key))
	})
	if err == nil {
		d.sweepFailures(ctx, now)
	}
	return n, err
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
func (d *DB) LockedUntil(ctx context.Context, key string, now time.Time) (time.Time, error) {
	return read(ctx, d, step{verb: "get lock"}, func(ctx context.Context, q queryer) (time.Time, error) {
		until, err := all(ctx, q, scanInt, "SELECT locked_until FROM failures WHERE subject = $1 AND locked_until > $2", subject(key), ms(now))
		if err != nil || len(until) == 0 {
			return time.Time{}, err
		}
		return at(until[0]), nil
	})
}

func scanInt(r row) (n int64, err error) {
	err = r.Scan(&n)
	return n, err
}

// ClearFailures implements throttle.Store.
func (d *DB) ClearFailures(ctx context.Context, key string) error {
	_, err := write(ctx, d, step{verb: "clear failures"}, func(ctx context.Context, q queryer) (struct{}, error) {
		return struct{}{}, exec(ctx, q, "DELETE FROM failures WHERE subject = $1", subject(key))
	})
	return err
}
