package provider

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"crmgate/internal/token"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionLifetime is that of a client assertion: enough for one question and two clocks.
	assertionLifetime = 5 * time.Minute
)

// clientAuth proves to a provider that the gateway is its client (OpenID Connect Core section 9), in the one configured way.
type clientAuth struct {
	how, id, secret string
	key             *clientKey // for private_key_jwt
	now             func() time.Time
	// audience of an assertion; empty is the token endpoint.
	audience string
}

func newClientAuth(c Config, d dialect, now func() time.Time) (clientAuth, error) {
	a := clientAuth{how: c.ClientAuth, id: c.ClientID, secret: c.ClientSecret.Reveal(), now: now}
	if d.assertIssuer {
		a.audience = c.Issuer
	}
	if a.how != authKeyJWT {
		return a, nil
	}
	var err error
	a.key, err = loadClientKey(c.ClientKeyFile, c.ClientCertificateFile)
	return a, err
}

// add puts the proof into a question for the provider.
func (a clientAuth) add(m *metadata, form url.Values, header http.Header) error {
	switch a.how {
	case authBasic:
		// Without client_id in the form, where some providers take both for two ways at once; a pushed request brings its own.
		// RFC 6749 section 2.3.1: both parts are encoded as in a form first.
		pair := url.QueryEscape(a.id) + ":" + url.QueryEscape(a.secret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case authPost:
		form.Set("client_id", a.id)
		form.Set("client_secret", a.secret)
	case authNone:
		form.Set("client_id", a.id)
	case authKeyJWT:
		form.Set("client_id", a.id)
		assertion, err := a.assertion(m)
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	}
	return nil
}

// assertion is a fresh proof of the key (RFC 7523 section 3).
func (a clientAuth) assertion(m *metadata) (string, error) {
	signer, err := a.key.signer(m.AssertionAlgs)
	if err != nil {
		return "", fmt.Errorf("sign client assertion: %w", err)
	}
	now := a.now()
	payload, err := json.Marshal(map[string]any{
		"iss": a.id, "sub": a.id, "aud": cmp.Or(a.audience, m.TokenURL), "jti": token.NewID(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("encode client assertion: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign client assertion: %w", err)
	}
	return signed.CompactSerialize()
}

// clientKey is the private key of private_key_jwt.
type clientKey struct {
	private crypto.Signer
	// algs are those the key can sign with, the best first.
	algs []jose.SignatureAlgorithm
	// kid is its thumbprint (RFC 7638). x5t is that of the certificate ("x5t#S256"); where there is one it takes the place of kid, because
	// Entra ID knows keys by certificate.
	kid, x5t string
}

// loadClientKey reads a key and, where it is named, the certificate that the provider knows it by.
func loadClientKey(keyFile, certificateFile string) (*clientKey, error) {
	private, err := readPrivateKey(keyFile)
	if err != nil {
		return nil, err
	}
	k := &clientKey{private: private}
	switch p := private.(type) {
	case *rsa.PrivateKey:
		if p.N.BitLen() < 2048 {
			return nil, fmt.Errorf("read client key: %d bits are too few for RSA", p.N.BitLen())
		}
		k.algs = []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
	case *ecdsa.PrivateKey:
		switch p.Curve {
		case elliptic.P256():
			k.algs = []jose.SignatureAlgorithm{jose.ES256}
		case elliptic.P384():
			k.algs = []jose.SignatureAlgorithm{jose.ES384}
		}
	case ed25519.PrivateKey:
		k.algs = []jose.SignatureAlgorithm{jose.EdDSA}
	}
	if len(k.algs) == 0 {
		return nil, errors.New("read client key: it must be RSA, P-256, P-384 or Ed25519")
	}
	print, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("read client key: %w", err)
	}
	k.kid = base64.RawURLEncoding.EncodeToString(print)
	if certificateFile != "" {
		if k.x5t, err = readThumbprint(certificateFile, private.Public()); err != nil {
			return nil, err
		}
		slices.Reverse(k.algs) // PS256 is what Entra ID asks for
	}
	return k, nil
}

// signer signs with the first algorithm that the provider lists; without a list with the first of all.
func (k *clientKey) signer(listed []string) (jose.Signer, error) {
	alg := k.algs[0]
	if i := slices.IndexFunc(k.algs, func(a jose.SignatureAlgorithm) bool { return slices.Contains(listed, string(a)) }); i >= 0 {
		alg = k.algs[i]
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	var key any = jose.JSONWebKey{Key: k.private, KeyID: k.kid}
	if k.x5t != "" {
		options, key = options.WithHeader("x5t#S256", k.x5t), k.private
	}
	return jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
}

// public is the key as the provider may read it (RFC 7517).
func (k *clientKey) public() ([]byte, error) {
	return json.Marshal(jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Use: "sig"})
}

// readPrivateKey reads the first private key of a PEM file: PKCS #8, or what older tools write.
func readPrivateKey(file string) (crypto.Signer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read client key: %w", err)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key any
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		default:
			continue
		}
		if signer, ok := key.(crypto.Signer); ok && err == nil {
			return signer, nil
		}
		return nil, errors.New("read client key: the key cannot be read; is it encrypted?")
	}
	return nil, errors.New("read client key: the file holds no private key in PEM")
}

// readThumbprint returns the "x5t#S256" of a certificate (RFC 7515 section 4.1.8), which must be the key's.
func readThumbprint(file string, public crypto.PublicKey) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read client certificate: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return "", errors.New("read client certificate: the file does not begin with a certificate in PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("read client certificate: %w", err)
	}
	ours, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("read client key: %w", err)
	}
	if !bytes.Equal(certificate.RawSubjectPublicKeyInfo, ours) {
		return "", errors.New("read client certificate: it belongs to another key than client_key_file")
	}
	print := sha256.Sum256(block.Bytes)
	return base64.RawURLEncoding.EncodeToString(print[:]), nil
}

// PublicKeys returns the keys by which the provider can verify the gateway, each as a JWK; none for another way than private_key_jwt.
func (r *redirector) PublicKeys() ([][]byte, error) {
	if r.auth.key == nil {
		return nil, nil
	}
	key, err := r.auth.key.public()
	if err != nil {
		return nil, fmt.Errorf("publish client key: %w", err)
	}
	return [][]byte{key}, nil
}
