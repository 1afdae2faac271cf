package throttle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// Counter is one thing that an attempt counts for.
type Counter struct {
	Key string
	// Limit failures within Window lock Key for Lock.
	Limit        int
	Window, Lock time.Duration
}

// Lock is a key that is locked.
type Lock struct {
	Key   string
	Until time.Time
}

// Store counts failures. Implementations are safe for concurrent use by several processes.
type Store interface {
	// CountAttempt counts one failure at now for each counter in turn, until one is locked: that one and those behind it are not counted.
	// It returns the count within the window for each that was counted. All of it is one step: no two callers get the same
	// count. A count that reaches the limit locks the key until now+lock; once a lock is over, counting starts anew.
	CountAttempt(ctx context.Context, now time.Time, counters ...Counter) (counts []int, err error)
	// TakeBack undoes the newest failure of a counter, and its lock where fewer than the limit are left.
	TakeBack(ctx context.Context, now time.Time, c Counter) error
	// LockedUntil returns when the last lock of some keys ends, zero where none is locked.
	LockedUntil(ctx context.Context, now time.Time, keys ...string) (time.Time, error)
	// ListLocks returns every key that is locked.
	ListLocks(ctx context.Context, now time.Time) ([]Lock, error)
	// ClearFailures forgets keys.
	ClearFailures(ctx context.Context, keys ...string) error
}

// maxFailures is the most that NIST SP 800-63B-4 section 3.2.2 allows one authenticator.
const maxFailures = 100

// forever is how long a lock holds that only a new password or an administrator ends, and how long the failures towards it count.
const forever = 100 * 365 * 24 * time.Hour

// Config is `local.lockout`.
type Config struct {
	// Failures within Window lock for Duration.
	Failures int           `json:"failures" jsonschema:"Failed sign-ins within the window that lock an account for a while (1 to 100)."`
	Window   time.Duration `json:"window" jsonschema:"How long a failed sign-in counts."`
	Duration time.Duration `json:"duration" jsonschema:"How long an account stays locked."`
	// Total failures of one account in a row, over all windows and locks, lock it until it gets a new password or is unlocked; 0 is off.
	Total int `json:"total" jsonschema:"Failed sign-ins in a row, however slow, that lock an account until it gets a new password or is unlocked (at most 100)."`
	// NetworkFailures within Window, whoever is tried, keep one client network (an IPv4 address, an IPv6 /64) out for Duration; 0 is off.
	NetworkFailures int `json:"network_failures" jsonschema:"Failed sign-ins within the window, whoever is tried, that keep one IPv4 address or IPv6 /64 network out for a while; 0 is off."`
}

// Default returns the section's defaults.
func (Config) Default() Config {
	return Config{Failures: 10, Window: 15 * time.Minute, Duration: 15 * time.Minute, Total: maxFailures, NetworkFailures: 300}
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
	if c.Total < 1 || c.Total > maxFailures || c.Failures <= maxFailures && c.Total < c.Failures {
		p.Add("total", "Use a number from failures to 100; NIST SP 800-63B-4 allows no more.", "%d failed sign-ins in a row cannot be the limit", c.Total)
	}
	if c.NetworkFailures < 0 {
		p.Add("network_failures", "300 is usual, 0 is off.", "%d failed sign-ins cannot be the limit", c.NetworkFailures)
	}
	if n := c.NetworkFailures; n > 0 && n < c.Failures && c.Failures <= maxFailures {
		p = append(p, fault.Problem{Path: "network_failures", Warning: true, Message: "an office behind one address is kept out before one account is locked",
			Hint: "300 is usual; people who share an address share this count."})
	}
	if c.Duration > 24*time.Hour {
		p = append(p, fault.Problem{Path: "duration", Warning: true, Message: "a lock of more than a day lets a stranger keep people out",
			Hint: "15m slows guessing enough; `crmgate user unlock` ends a lock at once."})
	}
	return p
}

// kindAccount and kindFactor are the kinds of the keys whose total is kept for good: there are as many as accounts.
const (
	kindAccount = "account"
	kindFactor  = "factor"
)

// Key names what is counted. Kind is a fixed word, such as "account" or "identifier"; normalized is the account id or
// identity.Normalize of what was typed. What was typed may have been a password by mistake, so the key holds only its digest.
func Key(kind, normalized string) string { return kind + ":" + token.Digest(normalized) }

// AccountKey names the failures of an account, whichever of its names was typed.
func AccountKey(id string) string { return Key(kindAccount, id) }

// FactorKey names the failures of an account's second factors, whichever was tried.
func FactorKey(id string) string { return Key(kindFactor, id) }

func totalKey(key string) string { return "total:" + key }

func networkKey(address string) string { return "network:" + network(address).String() }

// ErrNetworkLocked is what Begin returns to everybody of a network that has failed too often. It says nothing about any account.
var ErrNetworkLocked = fault.New(fault.TooMany, "There were too many failed sign-ins from your network. Please wait a while before you try again.").
	WithReason("network_locked").WithNext(fault.NextHelp)

// Lockout locks a subject after too many failures.
type Lockout struct {
	Store  Store
	Config Config
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Begin counts an attempt before its password is looked at, so that parallel guesses cannot all slip under the limit: for the
// network that ctx comes from (audit.OriginOf), for key, and for all failures of key in a row. It reports whether the attempt may
// go on and whether it was the one that locked key. The one that locks may still go on: with the right password it ends the lock
// (Succeed). A network that is kept out is ErrNetworkLocked, and nothing is counted for key.
func (l *Lockout) Begin(ctx context.Context, key string) (allowed, lockedNow bool, err error) {
	var counters []Counter
	fromNetwork := 0
	if c, ok := l.network(ctx); ok {
		counters, fromNetwork = append(counters, c), 1
	}
	counters = append(counters, l.counter(key))
	if l.Config.Total > 0 {
		counters = append(counters, l.total(key))
	}
	counts, err := l.Store.CountAttempt(ctx, l.now(), counters...)
	switch {
	case err != nil:
		return false, false, fmt.Errorf("count attempt: %w", err)
	case len(counts) < fromNetwork:
		return false, false, ErrNetworkLocked
	case len(counts) < len(counters):
		return false, false, nil
	}
	allowed = true
	for i, n := range counts[fromNetwork:] {
		limit := counters[fromNetwork+i].Limit
		allowed = allowed && n <= limit
		lockedNow = lockedNow || n == limit
	}
	return allowed, lockedNow, nil
}

func (l *Lockout) network(ctx context.Context) (c Counter, ok bool) {
	address := audit.OriginOf(ctx).Address
	if address == "" || l.Config.NetworkFailures <= 0 {
		return c, false
	}
	return Counter{Key: networkKey(address), Limit: l.Config.NetworkFailures, Window: l.Config.Window, Lock: l.Config.Duration}, true
}

func (l *Lockout) counter(key string) Counter {
	return Counter{Key: key, Limit: l.Config.Failures, Window: l.Config.Window, Lock: l.Config.Duration}
}

// total counts a key's failures in a row. Those of names that nobody has are forgotten with the window: strangers make them.
func (l *Lockout) total(key string) Counter {
	c := Counter{Key: totalKey(key), Limit: l.Config.Total, Window: l.Config.Window, Lock: l.Config.Duration}
	if strings.HasPrefix(key, kindAccount+":") || strings.HasPrefix(key, kindFactor+":") {
		c.Window, c.Lock = forever, forever
	}
	return c
}

// Succeed forgets the failures of key after a right password, and takes back what the attempt counted for its network; other
// failures from there stay: somebody with one password must not be able to wipe out the guessing of others'.
func (l *Lockout) Succeed(ctx context.Context, key string) error {
	if c, ok := l.network(ctx); ok {
		if err := l.Store.TakeBack(ctx, l.now(), c); err != nil {
			return fmt.Errorf("take back attempt: %w", err)
		}
	}
	if err := l.Store.ClearFailures(ctx, key, totalKey(key)); err != nil {
		return fmt.Errorf("forget failures: %w", err)
	}
	return nil
}

// Locked reports when the lock of key ends, zero where there is none. Endless tells a lock that ends by no clock.
func (l *Lockout) Locked(ctx context.Context, key string) (time.Time, error) {
	until, err := l.Store.LockedUntil(ctx, l.now(), key, totalKey(key))
	if err != nil {
		return time.Time{}, fmt.Errorf("read lock: %w", err)
	}
	return until, nil
}

// ListLocked returns when the lock of each locked key ends.
func (l *Lockout) ListLocked(ctx context.Context) (map[string]time.Time, error) {
	locks, err := l.Store.ListLocks(ctx, l.now())
	if err != nil {
		return nil, fmt.Errorf("list locks: %w", err)
	}
	until := map[string]time.Time{}
	for _, lock := range locks {
		key := strings.TrimPrefix(lock.Key, totalKey(""))
		if lock.Until.After(until[key]) {
			until[key] = lock.Until
		}
	}
	return until, nil
}

// Endless reports whether a lock ends only with a new password or by an administrator.
func Endless(until, now time.Time) bool { return until.Sub(now) > forever/2 }

// Unlock ends a lock at once.
func (l *Lockout) Unlock(ctx context.Context, key string) error {
	if err := l.Store.ClearFailures(ctx, key, totalKey(key)); err != nil {
		return fmt.Errorf("end lock: %w", err)
	}
	return nil
}

// UnlockNetwork lets the network of an address try again at once.
func (l *Lockout) UnlockNetwork(ctx context.Context, address string) error {
	if !network(address).IsValid() {
		return fault.New(fault.Invalid, "This is no network address. Write it as the mail or the log has it, such as 203.0.113.7.")
	}
	if err := l.Store.ClearFailures(ctx, networkKey(address)); err != nil {
		return fmt.Errorf("end lock of network: %w", err)
	}
	return nil
}

func (l *Lockout) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}
