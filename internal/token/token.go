package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
)

// secretLen is the length in characters of what NewSecret returns: 32 bytes, base64url without padding.
const secretLen = 43

// NewSecret returns 256 random bits as 43 characters that are safe in URLs, cookies and mails.
func NewSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewID returns 128 random bits as 32 hexadecimal digits, for names that are no secret.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Digest returns what is stored of a secret: its SHA-256 as 64 hexadecimal digits.
func Digest(secret string) string {
	d := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(d[:])
}

// WellFormed reports whether s could have come from NewSecret, so that junk is refused before any store is asked.
func WellFormed(s string) bool {
	if len(s) != secretLen {
		return false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == 32
}

// Equal compares two strings in a time that depends only on their lengths.
func Equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Secret is a configured secret. It prints as stars wherever it is printed; Reveal is the only way to its value.
type Secret string

const stars = "***"

// String returns stars.
func (Secret) String() string { return stars }

// GoString returns stars.
func (Secret) GoString() string { return stars }

// MarshalText returns stars, or nothing for an unset secret.
func (s Secret) MarshalText() ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	return []byte(stars), nil
}

// Reveal returns the value, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }
