package mfa

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/token"
)

const (
	// totpPeriod and totpDigits are what every authenticator app knows; most ignore other values in the address.
	totpPeriod = 30
	totpDigits = 6
	// totpSecret is the length of the shared secret: that of the hash (RFC 4226 section 4, R6).
	totpSecret = 20
	// totpDrift is how many steps a clock may be off, either way (RFC 6238 section 5.2).
	totpDrift = 1
)

// totp is RFC 6238 with SHA-1, six digits and half a minute.
type totp struct {
	issuer string
	now    func() time.Time
}

// totpKept is what is kept of an authenticator app. Last is the step of the newest code that was accepted.
type totpKept struct {
	Secret []byte `json:"secret"`
	Last   int64  `json:"last"`
}

// TOTPView is what templates/pages/factor_totp shows of an enrolment.
type TOTPView struct {
	// Secret is the key in groups of four, for those who cannot scan.
	Secret string
	// Address opens an app on the same device.
	Address string
	// QR is the address as a QR code.
	QR QR
}

func newTOTP(e Env) (Factor, error) { return &totp{issuer: e.Product, now: e.now}, nil }

func (*totp) Info() Info {
	return Info{Kind: TOTP, Name: "Authenticator app", Way: "Enter a code from your app", Guessable: true,
		About: "An app on your phone shows a new code every half minute. Works without a network."}
}

func (t *totp) Enrol(context.Context, Person, []Kept, url.Values) ([]byte, error) {
	secret := make([]byte, totpSecret)
	rand.Read(secret)
	return json.Marshal(totpKept{Secret: secret})
}

func (t *totp) Confirm(_ context.Context, _ Person, state []byte, form url.Values) (Fresh, error) {
	k, err := decode[totpKept]("authenticator app", state)
	if err != nil {
		return Fresh{}, err
	}
	step, ok := k.match(form.Get("code"), t.now())
	if !ok {
		return Fresh{}, ErrWrong
	}
	k.Last = step // the code that enrolled must not also sign in
	b, err := json.Marshal(k)
	return Fresh{Name: "Authenticator app", Secret: b, AMR: []string{"otp"}}, err
}

func (t *totp) Begin(context.Context, Person, []Kept) ([]byte, error) { return nil, nil }

func (t *totp) Check(_ context.Context, _ Person, have []Kept, _ []byte, form url.Values) (Proof, error) {
	now := t.now()
	for _, e := range have {
		k, err := decode[totpKept]("authenticator app", e.Secret)
		if err != nil {
			return Proof{}, err
		}
		step, ok := k.match(form.Get("code"), now)
		if !ok {
			continue
		}
		return Proof{Kind: TOTP, EnrolmentID: e.ID, AMR: []string{"otp"}, use: func(secret []byte) ([]byte, error) {
			k, err := decode[totpKept]("authenticator app", secret)
			if err != nil {
				return nil, err
			}
			if step <= k.Last {
				return nil, ErrWrong // RFC 6238 section 5.2: a code is accepted once
			}
			k.Last = step
			return json.Marshal(k)
		}}, nil
	}
	return Proof{}, ErrWrong
}

func (t *totp) View(who Person, _ []Kept, state []byte) (any, error) {
	if len(state) == 0 {
		return TOTPView{}, nil
	}
	k, err := decode[totpKept]("authenticator app", state)
	if err != nil {
		return nil, err
	}
	secret := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(k.Secret)
	address := t.address(who.label(), secret)
	qr, err := newQR(address)
	return TOTPView{Secret: groups(secret), Address: address, QR: qr}, err
}

// address is the key URI that apps read.
func (t *totp) address(label, secret string) string {
	issuer := strings.ReplaceAll(t.issuer, ":", " ") // a colon ends the issuer in the label
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + label}
	// Not url.Values.Encode: it writes a space as "+", which apps show as one.
	u.RawQuery = "secret=" + secret + "&issuer=" + url.PathEscape(issuer) +
		fmt.Sprintf("&algorithm=SHA1&digits=%d&period=%d", totpDigits, totpPeriod)
	return u.String()
}

// match returns the step whose code was typed, the newest first.
func (k totpKept) match(typed string, now time.Time) (step int64, ok bool) {
	typed = digits(typed)
	at := now.Unix() / totpPeriod
	for s := at + totpDrift; s >= at-totpDrift; s-- {
		if token.Equal(typed, totpCode(k.Secret, s, totpDigits)) && !ok {
			step, ok = s, true // the others are compared all the same: time must not tell which it was
		}
	}
	return step, ok
}

// totpCode is the code of one step (RFC 4226 section 5.3).
func totpCode(secret []byte, step int64, length int) string {
	var msg [8]byte
	binary.BigEndian.PutUint64(msg[:], uint64(step))
	h := hmac.New(sha1.New, secret)
	h.Write(msg[:])
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[at:at+4]) & 0x7fffffff
	mod := uint32(1)
	for range length {
		mod *= 10
	}
	return fmt.Sprintf("%0*d", length, n%mod)
}

// groups writes a key so that it can be read aloud.
func groups(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
