package identity

import (
	"context"
	"time"
)

// Bearer is what a provider's access token says (RFC 9068).
type Bearer struct {
	// Identity is who the token speaks for. Only Provider, Issuer, Subject, Groups, AMR and AuthTime count: an access token's address is
	// for display, and the account has one of its own.
	Identity Identity
	// Service is the local account that a client's own token stands for, as the configuration says; empty for the token of a person.
	Service string
	Expires time.Time
}

// TokenVerifier is a provider whose access tokens open the CRM to programs.
type TokenVerifier interface {
	Provider
	// IssuedBearer reports whether a credential claims to be an access token of this provider for us. It believes the token and asks nobody.
	IssuedBearer(raw string) bool
	// VerifyBearer returns what a token says that passes every check. A bad one is fault.Unauthenticated with a reason, a provider whose
	// keys cannot be had fault.Unavailable.
	VerifyBearer(ctx context.Context, raw string) (Bearer, error)
}
