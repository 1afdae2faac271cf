package throttle

import (
	"context"
	"time"

	"crmgate/internal/fault"
)

// Store counts failures. Implementations are safe for concurrent use by several processes.
type Store interface {
	// AddFailure counts one failure for key at now and returns the count within the window, atomically. When the count
	// reaches limit, key is locked until now+lock; further failures while locked do not extend the lock.
	AddFailure(ctx context.Context, key string, now time.Time, window, lock time.Duration, limit int) (count int, err error)
	// LockedUntil returns when the lock of key ends, zero where it is not locked.
	LockedUntil(ctx context.Context, key string, now time.Time) (time.Time, error)
	// ClearFailures forgets key.
	ClearFailures(ctx context.Context, key string) error
}

// Config is `local.lockout`.
type Config struct {
	// Failures within Window lock for Duration.
	Failures int           `json:"failures"`
	Window   time.Duration `json:"window"`
	Duration time.Duration `json:"duration"`
}

// Default returns the section's defaults.
func (Config) Default() Config {
	return Config{Failures: 10, Window: 15 * time.Minute, Duration: 15 * time.Minute}
}

// Validate names every fault.
func (c Config) Validate() fault.Problems { return nil }

// Lockout locks a subject after too many failures.
type Lockout struct {
	Store  Store
	Config Config
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Begin counts an attempt before its password is looked at, so that parallel guesses cannot all slip under the limit. It
// reports whether the attempt may go on and whether it was the one that locked.
func (l *Lockout) Begin(ctx context.Context, key string) (allowed, lockedNow bool, err error) {
	return true, false, nil
}

// Succeed forgets the failures of key after a right password.
func (l *Lockout) Succeed(ctx context.Context, key string) error { return nil }

// Locked reports when the lock of key ends, zero where there is none.
func (l *Lockout) Locked(ctx context.Context, key string) (time.Time, error) {
	return time.Time{}, nil
}

// Unlock ends a lock at once.
func (l *Lockout) Unlock(ctx context.Context, key string) error { return nil }
