package token

import (
	"context"
	"time"
)

// Key is one secret or private key of the gateway.
type Key struct {
	// ID names the key (the JWK "kid"); no secret.
	ID string
	// Purpose says what it is for, such as "assertion".
	Purpose string
	// Material is the raw key; its form depends on the purpose (PKCS #8 for "assertion").
	Material  []byte
	CreatedAt time.Time
}

// KeyStore keeps keys. Implementations are safe for concurrent use by several processes.
type KeyStore interface {
	// ListKeys returns the keys of a purpose, newest first.
	ListKeys(ctx context.Context, purpose string) ([]Key, error)
	// CreateKey stores a key. Where onlyFirst is set and the purpose has a key already, nothing is stored and no error
	// is returned: two replicas that start at once end with one key.
	CreateKey(ctx context.Context, k Key, onlyFirst bool) error
	// DeleteKeys removes the keys of a purpose but for some ids and returns how many. What they sealed or signed is lost.
	DeleteKeys(ctx context.Context, purpose string, except ...string) (int, error)
}
