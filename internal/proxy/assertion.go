package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"crmgate/internal/audit"
	"crmgate/internal/token"
)

const (
	// AssertionLife is how long an assertion is valid. The CRM sees one that has at least half of it left.
	AssertionLife = 5 * time.Minute
	// boundLife is how long one is valid that is bound to a request: as long as a request may take to arrive.
	boundLife = time.Minute
	// AssertionType is the JWT's "typ": no other token of the gateway or of a provider can be taken for it (RFC 8725, 3.11).
	AssertionType = "crmgate+jwt"
	// AssertionPurpose is the purpose of the signing keys in the key store.
	AssertionPurpose = "assertion"
)

// NewAssertionKey returns a fresh signing key (ECDSA P-256).
func NewAssertionKey(now time.Time) (token.Key, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return token.Key{}, fmt.Errorf("make assertion key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return token.Key{}, fmt.Errorf("make assertion key: %w", err)
	}
	return token.Key{ID: token.NewID(), Purpose: AssertionPurpose, Material: der, CreatedAt: now}, nil
}

// Signer signs assertions with the newest of its keys and publishes all of them. It is safe for concurrent use.
type Signer struct{ ring atomic.Pointer[ring] }

type ring struct {
	signer jose.Signer
	jwks   []byte
	ids    []string
}

// NewSigner returns a Signer with keys of purpose "assertion", newest first.
func NewSigner(keys ...token.Key) (*Signer, error) {
	s := &Signer{}
	return s, s.Use(keys...)
}

// Use replaces the keys, newest first. Assertions signed before stay valid where their key is among them.
func (s *Signer) Use(keys ...token.Key) error {
	if len(keys) == 0 {
		return errors.New("sign assertions: no key")
	}
	r := &ring{ids: make([]string, 0, len(keys))}
	for _, k := range keys {
		r.ids = append(r.ids, k.ID)
	}
	if known := s.ring.Load(); known != nil && slices.Equal(known.ids, r.ids) {
		return nil // assertions are signed anew when the ring is another one
	}
	var set jose.JSONWebKeySet
	for i, k := range keys {
		parsed, err := x509.ParsePKCS8PrivateKey(k.Material)
		if err != nil {
			return fmt.Errorf("read assertion key %s: %w", k.ID, err)
		}
		private, ok := parsed.(*ecdsa.PrivateKey)
		if !ok || private.Curve != elliptic.P256() {
			return fmt.Errorf("read assertion key %s: not an ECDSA P-256 key", k.ID)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: private.Public(), KeyID: k.ID, Algorithm: string(jose.ES256), Use: "sig"})
		if i == 0 {
			opts := (&jose.SignerOptions{}).WithType(AssertionType)
			r.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: k.ID}}, opts)
			if err != nil {
				return fmt.Errorf("use assertion key %s: %w", k.ID, err)
			}
		}
	}
	var err error
	if r.jwks, err = json.Marshal(set); err != nil {
		return fmt.Errorf("publish assertion keys: %w", err)
	}
	s.ring.Store(r)
	return nil
}

// JWKS returns the public keys as a JWK Set (RFC 7517).
func (s *Signer) JWKS() []byte { return s.ring.Load().jwks }

func (s *Signer) sign(claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	jws, err := s.ring.Load().signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return compact, nil
}

// claims are what an assertion says.
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub"`
	Email    string `json:"email,omitempty"`
	Name     string `json:"name,omitempty"`
	Username string `json:"preferred_username,omitempty"`
	// Groups is never null: a CRM that reads a missing list as "no change" would keep what was taken away.
	Groups   []string `json:"groups"`
	Provider string   `json:"provider,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	AuthTime int64    `json:"auth_time,omitempty"`
	Session  string   `json:"sid,omitempty"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	*boundTo
}

// boundTo are the claims that bind an assertion to one request, by the names that RFC 9449 (4.2) gave them. Whoever gets hold of such an
// assertion cannot use it for anything else.
type boundTo struct {
	Method string `json:"htm"`
	// URI is scheme, host and path as the client asked for them, without the query.
	URI string `json:"htu"`
	ID  string `json:"jti"`
}

func (u *Upstream) boundTo(r *http.Request, path Path) *boundTo {
	o := audit.OriginOf(r.Context())
	target, _, _ := strings.Cut(path.Target, "?")
	return &boundTo{Method: r.Method, URI: u.scheme(o) + "://" + o.Host + target, ID: token.NewID()}
}

// assertion is a signed one with its times.
type assertion struct {
	header     []string
	renew, end time.Time
	// ring holds the key that it was signed with. Where the signer has another one, that key may have been withdrawn.
	ring *ring
}

// sign makes an assertion; bound is nil for one that holds for every request.
func (u *Upstream) sign(p Person, bound *boundTo) (*assertion, error) {
	now := u.now()
	life := AssertionLife
	if bound != nil {
		life = boundLife
	}
	c := claims{Issuer: u.issuer, Audience: u.audience, Subject: p.ID, Email: p.Email, Name: p.Name, Username: p.Username,
		Groups: p.Groups, Provider: p.Provider, AMR: p.AMR, Session: p.Session, IssuedAt: now.Unix(), Expires: now.Add(life).Unix(), boundTo: bound}
	if c.Groups == nil {
		c.Groups = []string{}
	}
	if !p.AuthTime.IsZero() {
		c.AuthTime = p.AuthTime.Unix()
	}
	ring := u.Signer.ring.Load() // before it is signed: a change in between leads to one signature too many, not to one too few
	compact, err := u.Signer.sign(c)
	if err != nil {
		return nil, err
	}
	return &assertion{header: []string{compact}, renew: now.Add(life / 2), end: now.Add(life), ring: ring}, nil
}
