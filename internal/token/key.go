package token

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Key is one secret or private key of the gateway.
type Key struct {
	// ID names the key (the JWK "kid"); no secret.
	ID string
	// Purpose says what it is for, such as "seal" or "assertion".
	Purpose string
	// Material is the raw key: 32 bytes for "seal", PKCS #8 for "assertion".
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
}

// ErrUnsealable is returned by Sealer.Open for a value that was not sealed under a known key for that purpose.
var ErrUnsealable = errors.New("sealed value is not ours")

// Sealer seals small values under the newest of its keys and opens those sealed under any of them.
type Sealer struct {
	ids   []string // newest first
	aeads map[string]cipher.AEAD
}

// NewSealer returns a Sealer; the first key seals. Every key needs 32 bytes.
func NewSealer(keys ...Key) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("seal: no key")
	}
	s := &Sealer{aeads: make(map[string]cipher.AEAD, len(keys))}
	for _, k := range keys {
		if len(k.Material) != 32 {
			return nil, fmt.Errorf("seal: key %s has %d bytes, not 32", k.ID, len(k.Material))
		}
		block, err := aes.NewCipher(k.Material)
		if err != nil {
			return nil, fmt.Errorf("seal: key %s: %w", k.ID, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("seal: key %s: %w", k.ID, err)
		}
		s.ids = append(s.ids, k.ID)
		s.aeads[k.ID] = aead
	}
	return s, nil
}

// Seal encrypts plain for a purpose. The result is printable: key id, a dot, base64url.
func (s *Sealer) Seal(purpose string, plain []byte) string {
	id := s.ids[0]
	return id + "." + base64.RawURLEncoding.EncodeToString(s.aeads[id].Seal(nil, nil, plain, []byte(purpose)))
}

// Open reverses Seal. Any fault is ErrUnsealable: a stranger learns nothing from which.
func (s *Sealer) Open(purpose, sealed string) ([]byte, error) {
	id, body, ok := strings.Cut(sealed, ".")
	aead := s.aeads[id]
	if !ok || aead == nil {
		return nil, ErrUnsealable
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return nil, ErrUnsealable
	}
	plain, err := aead.Open(nil, nil, b, []byte(purpose))
	if err != nil {
		return nil, ErrUnsealable
	}
	return plain, nil
}

// NewSealKey returns a fresh key for a Sealer.
func NewSealKey(now time.Time) Key {
	m := make([]byte, 32)
	rand.Read(m)
	return Key{ID: NewID(), Purpose: "seal", Material: m, CreatedAt: now}
}
