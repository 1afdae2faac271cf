package throttle

import (
	"context"
	"fmt"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// Store counts failures. Implementations are safe for concurrent use by several processes.
type Store interface {
	// AddFailure counts one failure for key at now and returns the count within the window, atomically: no two callers get
	// the same count. When the count reaches limit, key is locked until now+lock; further failures while locked are counted too
	// and do not extend the lock. Once a lock is over, counting starts anew.
	AddFailure(ctx context.Context, key string, now time.Time, window, lock time.Duration, limit int) (count int, err error)
	// LockedUntil returns when the lock of key ends, zero where it is not locked.
	LockedUntil(ctx context.Context, key string, now time.Time) (time.Time, error)
	// ClearFailures forgets key.
	ClearFailures(ctx context.Context, key string) error
}

// maxFailures is the most that NIST SP 800-63B-4 section 3.2.2 allows one authenticator.
const maxFailures = 100

// Config is `local.lockout`.
type Config struct {
	// Failures within Window lock for Duration.
	Failures int           `json:"failures" jsonschema:"Failed sign-ins within the window that lock an account for a while (1 to 100)."`
	Window   time.Duration `json:"window" jsonschema:"How long a failed sign-in counts."`
	Duration time.Duration `json:"duration" jsonschema:"How long an account stays locked."`
}

// Default returns the section's defaults.
func (Config) Default() Config {
	return Config{Failures: 10, Window: 15 * time.Minute, Duration: 15 * time.Minute}
}

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var p fault.Problems
	if c.Failures < 1 || c.Failures > maxFailures {
		p.Add("failures", "Use a number from 1 to 100; 10 is usual.", "%d failed sign-ins cannot be the limit", c.Failures)
	}
	if c.Window <= 0 {
		p.Add("window", "Use a duration such as 15m.", "the window must be longer than zero")
	}
	if c.Duration <= 0 {
		p.Add("duration", "Use a duration such as 15m.", "the lock must be longer than zero")
	}
	if c.Duration > 24*time.Hour {
		p = append(p, fault.Problem{Path: "duration", Warning: true, Message: "a lock of more than a day lets a stranger keep people out",
			Hint: "15m slows guessing enough; `crmgate user unlock` ends a lock at once."})
	}
	return p
}

// Key names what is counted. Kind is a fixed word, such as "account" or "identifier"; normalized is the account id or
// identity.Normalize of what was typed. What was typed may have been a password by mistake, so the key holds only its digest.
func Key(kind, normalized string) string { return kind + ":" + token.Digest(normalized) }

// Lockout locks a subject after too many failures.
type Lockout struct {
	Store  Store
	Config Config
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Begin counts an attempt before its password is looked at, so that parallel guesses cannot all slip under the limit. It
// reports whether the attempt may go on and whether it was the one that locked. The one that locks may still go on: with the
// right password it ends the lock (Succeed).
func (l *Lockout) Begin(ctx context.Context, key string) (allowed, lockedNow bool, err error) {
	now := l.now()
	until, err := l.Store.LockedUntil(ctx, key, now)
	if err != nil {
		return false, false, fmt.Errorf("read lock: %w", err)
	}
	if !until.IsZero() {
		return false, false, nil
	}
	n, err := l.Store.AddFailure(ctx, key, now, l.Config.Window, l.Config.Duration, l.Config.Failures)
	if err != nil {
		return false, false, fmt.Errorf("count attempt: %w", err)
	}
	return n <= l.Config.Failures, n == l.Config.Failures, nil
}

// Succeed forgets the failures of key after a right password.
func (l *Lockout) Succeed(ctx context.Context, key string) error {
	if err := l.Store.ClearFailures(ctx, key); err != nil {
		return fmt.Errorf("forget failures: %w", err)
	}
	return nil
}

// Locked reports when the lock of key ends, zero where there is none.
func (l *Lockout) Locked(ctx context.Context, key string) (time.Time, error) {
	until, err := l.Store.LockedUntil(ctx, key, l.now())
	if err != nil {
		return time.Time{}, fmt.Errorf("read lock: %w", err)
	}
	return until, nil
}

// Unlock ends a lock at once.
func (l *Lockout) Unlock(ctx context.Context, key string) error {
	if err := l.Store.ClearFailures(ctx, key); err != nil {
		return fmt.Errorf("end lock: %w", err)
	}
	return nil
}

func (l *Lockout) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}
