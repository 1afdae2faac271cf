package fakeidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// signingKey is a private key and the names it is published under.
type signingKey struct {
	kid, alg string
	private  crypto.Signer
}

func newSigningKey(alg string) (*signingKey, error) {
	k := &signingKey{kid: randomHex(8), alg: alg}
	var err error
	switch alg {
	case "RS256", "PS256":
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		k.private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("algorithm %q is not one of RS256, PS256, ES256, ES384, EdDSA", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return k, nil
}

func (k *signingKey) jwk() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Algorithm: k.alg, Use: "sig"}
}

// pem returns the public key as it would be handed around in a file.
func (k *signingKey) pem() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// keyring holds the keys in use, the ones still published, and one that never is.
type keyring struct {
	algs    []string
	foreign *signingKey

	mu        sync.RWMutex
	published []*signingKey // newest first
}

func newKeyring(algs []string) (*keyring, error) {
	foreign, err := newSigningKey("ES256")
	if err != nil {
		return nil, err
	}
	k := &keyring{algs: algs, foreign: foreign}
	if err := k.rotate(false); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *keyring) rotate(keep bool) error {
	var fresh []*signingKey
	for _, alg := range k.algs {
		key, err := newSigningKey(alg)
		if err != nil {
			return err
		}
		fresh = append(fresh, key)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if keep {
		fresh = append(fresh, k.published...)
	}
	k.published = fresh
	return nil
}

// current returns the newest key for alg, or for the first algorithm where alg is empty.
func (k *keyring) current(alg string) *signingKey {
	if alg == "" {
		alg = k.algs[0]
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.published[slices.IndexFunc(k.published, func(p *signingKey) bool { return p.alg == alg })]
}

func (k *keyring) byID(kid string) *signingKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if i := slices.IndexFunc(k.published, func(p *signingKey) bool { return p.kid == kid }); i >= 0 {
		return k.published[i]
	}
	return nil
}

func (k *keyring) set() jose.JSONWebKeySet {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var set jose.JSONWebKeySet
	for _, p := range k.published {
		set.Keys = append(set.Keys, p.jwk())
	}
	return set
}

// RotateKeys makes new keys and signs with them from now on; keep leaves the former ones published.
func (s *Server) RotateKeys(keep bool) error { return s.keys.rotate(keep) }

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b)
}
