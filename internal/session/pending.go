package session

import (
	"context"
	"time"
)

// Pending is a sign-in, or a step of somebody who is signed in, that waits for a second factor.
type Pending struct {
	// Digest is that of the ticket that the page carries; the key.
	Digest string
	// Holder is the only one who may go on: the digest of the browser's pre-sign-in cookie, or the session's id.
	Holder string
	// State is what is known so far, sealed.
	State     string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// PendingStore keeps what waits. Implementations are safe for concurrent use by several processes. What does not match in ticket and
// holder, or is over at now, is fault.NotFound and stays as it is.
type PendingStore interface {
	// CreatePending stores one and removes the holder's oldest beyond keep.
	CreatePending(ctx context.Context, p Pending, keep int) error
	// GetPending returns one that is good at now.
	GetPending(ctx context.Context, digest, holder string, now time.Time) (Pending, error)
	// UpdatePending changes the State of one that is good at now, in one step, and returns what was written. Where change returns an
	// error nothing is written. Change may be called more than once.
	UpdatePending(ctx context.Context, digest, holder string, now time.Time, change func(*Pending) error) (Pending, error)
	// TakePending removes and returns one that is good at now; of many callers one succeeds.
	TakePending(ctx context.Context, digest, holder string, now time.Time) (Pending, error)
	// SweepPending removes what expired before now and returns how many.
	SweepPending(ctx context.Context, now time.Time) (int, error)
}
