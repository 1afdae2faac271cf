package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SealPurpose is the purpose of the keys that a Sealer takes.
const SealPurpose = "seal"

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
	return Key{ID: NewID(), Purpose: SealPurpose, Material: m, CreatedAt: now}
}
