package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"crmgate/internal/token"
)

const (
	// skew is how far a provider's clock may be from ours: the minute that is promised, and the time that a sign-in takes.
	skew = 90 * time.Second
	// maxToken is the size in bytes from which an ID token is not even parsed. A token with 2000 groups is smaller.
	maxToken = 128 << 10
	// maxSubject is the length that OpenID Connect Core section 2 allows a subject.
	maxSubject = 255
)

// badToken is a token that is refused. The reason is a fixed word for the log.
type badToken struct {
	reason string
	err    error
}

func (e *badToken) Error() string { return e.err.Error() }
func (e *badToken) Unwrap() error { return e.err }

func bad(reason, format string, args ...any) error {
	return &badToken{reason: reason, err: fmt.Errorf(format, args...)}
}

// presented is an ID token as it came from the token endpoint, and what it must belong to.
type presented struct {
	raw         string
	nonce       string // of the attempt
	refreshed   bool   // came for a refresh token, where there is no nonce to compare
	accessToken string // that came with it
}

// verifier decides which ID tokens are ours (OpenID Connect Core section 3.1.3.7).
//
// go-oidc checks issuer, audience, exp and nbf. It checks neither nonce nor azp nor at_hash, takes an empty subject, any iat, and
// a logout token for an ID token; those checks are here.
type verifier struct {
	clientID string
	now      func() time.Time
}

// verify returns the claims of a token that passes every check. A bad token is a *badToken; every other error says that
// the keys cannot be had.
func (v verifier) verify(ctx context.Context, m *metadata, p presented) (claims, error) {
	if err := checkShape(p.raw, maxToken); err != nil {
		return nil, err
	}
	signed := &signedBy{keys: m.keys, algs: m.Algorithms}
	t, err := v.library(m, signed).Verify(ctx, p.raw)
	if err := libraryError(signed, err); err != nil {
		return nil, err
	}
	var payload json.RawMessage
	if err := t.Claims(&payload); err != nil {
		return nil, bad("token_malformed", "decode ID token: %w", err)
	}
	c, err := decodeClaims(payload, map[string]string{"iss": t.Issuer, "sub": t.Subject, "nonce": t.Nonce})
	if err != nil {
		return nil, err
	}
	if err := v.check(t, c, p); err != nil {
		return nil, err
	}
	return c, nil
}

// library returns go-oidc's verifier with our keys.
func (v verifier) library(m *metadata, signed *signedBy) *oidc.IDTokenVerifier {
	return oidc.NewVerifier(m.IssuerURL, signed, &oidc.Config{
		ClientID:             v.clientID,
		SupportedSigningAlgs: m.Algorithms,
		// Our clock is put back for exp; nbf has five minutes of grace in the library.
		Now: func() time.Time { return v.now().Add(-skew) },
	})
}

// libraryError tells a token that go-oidc refuses from keys that cannot be had.
func libraryError(signed *signedBy, err error) error {
	var expired *oidc.TokenExpiredError
	switch {
	case signed.unavailable != nil:
		return signed.unavailable
	case errors.As(err, &expired):
		return bad("token_expired", "verify token: %w", err)
	case err != nil:
		return bad("token_refused", "verify token: %w", err)
	}
	return nil
}

// check is what the library leaves to us.
func (v verifier) check(t *oidc.IDToken, c claims, p presented) error {
	azp, hasAZP := c.text("azp")
	_, hasEvents := c["events"]
	now := v.now()
	switch {
	case strings.TrimSpace(t.Subject) == "" || len(t.Subject) > maxSubject:
		return bad("token_subject", "verify ID token: the subject has %d bytes", len(t.Subject))
	case hasEvents:
		// A logout token is signed by the same key for the same audience.
		return bad("token_kind", "verify ID token: a security event is not a sign-in")
	case !p.refreshed && (p.nonce == "" || !token.Equal(t.Nonce, p.nonce)):
		return bad("token_nonce", "verify ID token: the nonce belongs to another attempt")
	case (hasAZP || len(t.Audience) > 1) && azp != v.clientID:
		return bad("token_azp", "verify ID token: issued to %q for %q", clip(azp), t.Audience)
	case t.IssuedAt.IsZero() || t.IssuedAt.After(now.Add(skew)):
		return bad("token_iat", "verify ID token: issued at %s, it is %s", t.IssuedAt, now)
	case now.Sub(t.IssuedAt) > metadataAge:
		return bad("token_iat", "verify ID token: issued at %s, more than a day ago", t.IssuedAt)
	}
	if t.AccessTokenHash != "" {
		if err := t.VerifyAccessToken(p.accessToken); err != nil {
			return bad("token_at_hash", "verify ID token: %w", err)
		}
	}
	return nil
}

// checkShape refuses what need not be parsed: too long, or not three parts. Encrypted tokens have five.
func checkShape(raw string, most int) error {
	switch {
	case raw == "":
		return bad("token_missing", "verify token: there is none")
	case len(raw) > most:
		return bad("token_size", "verify token: it has %d bytes", len(raw))
	case strings.Count(raw, ".") != 2:
		return bad("token_malformed", "verify token: it does not have three parts")
	}
	return nil
}

// decodeClaims reads a payload by exact names. The library reads without regard to case: were "SUB" to stand beside "sub",
// the two readings would differ, so a token whose claims are not as the library read them is refused.
func decodeClaims(payload []byte, read map[string]string) (claims, error) {
	if !utf8.Valid(payload) {
		return nil, bad("token_malformed", "decode token: not UTF-8")
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, bad("token_malformed", "decode token: %w", err)
	}
	for name, value := range read {
		if ours, _ := c.text(name); ours != value {
			return nil, bad("token_malformed", "decode token: %s stands there twice, in different letters", name)
		}
	}
	return c, nil
}

// signedBy checks a signature for go-oidc and keeps what it would flatten: whether the keys could not be had.
type signedBy struct {
	keys *keySet
	from source
	algs []string
	// types are the only values of "typ", in lower case, beside none at all. Nil is for ID tokens: they are JWT or nothing by the book, some
	// providers invent one, and only what is registered for another use is refused.
	types       []string
	unavailable error
}

// VerifySignature implements oidc.KeySet.
func (s *signedBy) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	algs := make([]jose.SignatureAlgorithm, 0, len(s.algs))
	for _, a := range s.algs {
		algs = append(algs, jose.SignatureAlgorithm(a))
	}
	t, err := jose.ParseSignedCompact(raw, algs)
	if err != nil {
		return nil, err
	}
	if err := s.checkType(t.Signatures[0].Header); err != nil {
		return nil, err
	}
	payload, err := s.keys.verify(ctx, t, s.from)
	if err != nil && !errors.Is(err, errBadSignature) {
		s.unavailable = err
	}
	return payload, err
}

// checkType reads the "typ" header (RFC 7515 section 4.1.9).
func (s *signedBy) checkType(header jose.Header) error {
	raw, there := header.ExtraHeaders[jose.HeaderType]
	typ, _ := raw.(string)
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	if (s.types == nil && strings.HasSuffix(typ, "+jwt")) || (s.types != nil && there && !slices.Contains(s.types, typ)) {
		return fmt.Errorf("a token of type %q has another use", clip(typ))
	}
	return nil
}

// asBad finds the refusal of a token in an error.
func asBad(err error) (*badToken, bool) {
	var b *badToken
	ok := errors.As(err, &b)
	return b, ok
}

// clip shortens what a stranger wrote for the log.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
