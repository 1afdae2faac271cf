package token

import (
	"context"
	"time"
)

// OnceStore remembers what may be used once. Implementations are safe for concurrent use by several processes.
type OnceStore interface {
	// UseOnce marks id as used for a purpose until a moment, after which it may be forgotten: whoever calls must refuse it by its own age
	// then. Of many callers with one id exactly one succeeds; the others get fault.Conflict.
	UseOnce(ctx context.Context, purpose, id string, until time.Time) error
	// SweepOnce forgets what ended before now and returns how much.
	SweepOnce(ctx context.Context, now time.Time) (int, error)
}
