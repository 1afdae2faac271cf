package session

import (
	"context"
	"time"
)

// Attempt is one sign-in under way.
type Attempt struct {
	// StateDigest is the digest of the state parameter; the key.
	StateDigest string
	// Browser is the digest of the browser's pre-sign-in cookie.
	Browser string
	// Provider is the provider id.
	Provider string
	// Nonce and Verifier are the attempt's own (OpenID Connect Core 3.1.2.1, RFC 7636).
	Nonce, Verifier string
	// ReturnTo is a checked local address.
	ReturnTo  string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// AttemptStore keeps attempts. Implementations are safe for concurrent use by several processes.
type AttemptStore interface {
	// CreateAttempt stores an attempt and removes the browser's oldest beyond keep.
	CreateAttempt(ctx context.Context, a Attempt, keep int) error
	// TakeAttempt removes and returns the attempt with that state, browser and provider that is good at now; of many callers one
	// succeeds. One that does not match in every part stays where it is, and the answer is fault.NotFound.
	TakeAttempt(ctx context.Context, stateDigest, browser, provider string, now time.Time) (Attempt, error)
	// SweepAttempts removes what expired before now and returns how many.
	SweepAttempts(ctx context.Context, now time.Time) (int, error)
}
