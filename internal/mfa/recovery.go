package mfa

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

const (
	// recoveryCodes is how many a person gets.
	recoveryCodes = 10
	// recoveryBytes are 120 random bits: more than the 112 from which a plain digest is enough (ASVS 6.5.2).
	recoveryBytes = 15
	// issuedLifetime is how long a code is good that an administrator reads out.
	issuedLifetime = 24 * time.Hour
)

// alphabet is Crockford's base 32: without the letters that look like digits.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// recovery are codes on paper for the day when everything else is lost.
type recovery struct{ now func() time.Time }

type recoveryKept struct {
	Codes []recoveryCode `json:"codes"`
}

type recoveryCode struct {
	Digest string `json:"digest"`
	// Expires is zero for those that the person printed.
	Expires time.Time `json:"expires,omitzero"`
}

// RecoveryView is what templates/pages/factor_recovery shows.
type RecoveryView struct{}

func newRecovery(e Env) (Factor, error) { return &recovery{now: e.now}, nil }

func (*recovery) Info() Info {
	return Info{Kind: Recovery, Name: "Recovery codes", Way: "Use a recovery code", Guessable: true, Backup: true, Single: true,
		About: "Ten codes on paper for the day when your phone is gone. Each works once."}
}

// Enrol is not how codes come about: Service.NewRecoveryCodes shows them once and keeps their digests.
func (*recovery) Enrol(context.Context, Person, []Kept, url.Values) ([]byte, error) {
	return nil, fault.New(fault.Invalid, "Recovery codes are made on your account's page.")
}

// Confirm is like Enrol.
func (r *recovery) Confirm(ctx context.Context, who Person, _ []byte, form url.Values) (Fresh, error) {
	_, err := r.Enrol(ctx, who, nil, form)
	return Fresh{}, err
}

// Begin needs nothing.
func (*recovery) Begin(context.Context, Person, []Kept) ([]byte, error) { return nil, nil }

func (r *recovery) Check(_ context.Context, _ Person, have []Kept, _ []byte, form url.Values) (Proof, error) {
	code, ok := canonicalRecovery(form.Get("code"))
	if !ok || len(have) == 0 {
		return Proof{}, ErrWrong
	}
	digest, now := token.Digest(code), r.now()
	return Proof{Kind: Recovery, EnrolmentID: have[0].ID, AMR: []string{"otp"}, use: func(secret []byte) ([]byte, error) {
		k, err := decode[recoveryKept]("recovery codes", secret)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(k.Codes, func(c recoveryCode) bool {
			return token.Equal(c.Digest, digest) && (c.Expires.IsZero() || now.Before(c.Expires))
		})
		if i < 0 {
			return nil, ErrWrong
		}
		k.Codes = slices.Delete(k.Codes, i, i+1)
		return json.Marshal(k)
	}}, nil
}

func (*recovery) View(Person, []Kept, []byte) (any, error) { return RecoveryView{}, nil }

// newRecoveryCode returns a code as people see it.
func newRecoveryCode() string {
	var raw [recoveryBytes]byte
	rand.Read(raw[:])
	var b strings.Builder
	var bits, n uint
	for _, c := range raw {
		bits, n = bits<<8|uint(c), n+8
		for n >= 5 {
			n -= 5
			if b.Len()%5 == 4 {
				b.WriteByte('-')
			}
			b.WriteByte(alphabet[bits>>n&31])
		}
	}
	return b.String()
}

// canonicalRecovery is a code as its digest is made: without hyphens, in small letters, look-alikes read as what they must be.
func canonicalRecovery(typed string) (string, bool) {
	s := strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(digits(strings.TrimSpace(typed))))
	if len(s) != recoveryBytes*8/5 {
		return "", false
	}
	for i := range len(s) {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return "", false
		}
	}
	return s, true
}
