package mfa

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/token"
)

// CodeLifetime is how long a code that was sent is good (NIST SP 800-63B-4 section 3.1.3.2, ASVS 6.5.5: ten minutes at most).
const CodeLifetime = 10 * time.Minute

// codeTries is how many wrong answers one code that was sent bears.
const codeTries = 5

// sent is what is remembered of a code on its way.
type sent struct {
	// To is where it went.
	To string `json:"to"`
	// Digest is the code's; the whole record is sealed where it is kept.
	Digest  string    `json:"digest"`
	Expires time.Time `json:"expires"`
}

// newCode returns six random digits.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand ends the process instead
	}
	return fmt.Sprintf("%06d", n)
}

func newSent(to, code string, now time.Time) ([]byte, error) {
	return json.Marshal(sent{To: to, Digest: token.Digest(code), Expires: now.Add(CodeLifetime)})
}

// matches checks an answer against a code that was sent.
func (s sent) matches(form url.Values, now time.Time) error {
	if !now.Before(s.Expires) {
		return errStale
	}
	if !token.Equal(token.Digest(digits(form.Get("code"))), s.Digest) {
		return ErrWrong
	}
	return nil
}

// digits is a code as it is compared: people type spaces and hyphens between the digits. Anything else is left in and fits nothing.
func digits(typed string) string {
	return strings.NewReplacer(" ", "", "-", "", "\u00a0", "", "\t", "").Replace(typed)
}

// decode reads what was kept.
func decode[T any](what string, state []byte) (T, error) {
	var v T
	if len(state) == 0 {
		return v, errStale
	}
	if err := json.Unmarshal(state, &v); err != nil {
		return v, fmt.Errorf("read %s: %w", what, err)
	}
	return v, nil
}
