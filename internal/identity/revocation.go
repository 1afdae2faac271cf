package identity

import (
	"context"
	"time"
)

// Revocation is whose access a provider wants ended everywhere (draft-parecki-oauth-global-token-revocation).
type Revocation struct {
	// Issuer and Subject name the person; where they are empty, Email does.
	Issuer, Subject, Email string
	// TokenID may be used once until Expires.
	TokenID string
	Expires time.Time
}

// UniversalLogoutReceiver is a provider that can ask for all sessions of a person to end at once.
type UniversalLogoutReceiver interface {
	Provider
	// UniversalLogout verifies the provider's own token and reads whom the request names, except that its TokenID is new: the caller
	// remembers those. A token that is not good is fault.Unauthenticated, a body that names nobody fault.Invalid, a provider whose
	// keys cannot be had fault.Unavailable.
	UniversalLogout(ctx context.Context, bearer string, body []byte) (Revocation, error)
}
