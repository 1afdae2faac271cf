package provider_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"crmgate/internal/fakeidp"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

// writeKey puts a private key into a PEM file.
func writeKey(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "PRIVATE KEY", der)
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// withKey makes an entry authenticate with a key.
func withKey(file string) func(*provider.Config) {
	return func(c *provider.Config) { c.ClientAuth, c.ClientSecret, c.ClientKeyFile = "private_key_jwt", "", file }
}

// assertionParts returns header and claims of an assertion.
func assertionParts(t *testing.T, raw string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(raw, ".")
	for i, into := range []*map[string]any{&header, &claims} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

func TestPrivateKeyJWT(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsa2048 := rsaKey(t, 2048)
	for _, tt := range []struct {
		alg    string
		key    crypto.Signer
		listed []string
	}{
		{"ES256", ecKey(t, elliptic.P256()), nil},
		{"ES384", ecKey(t, elliptic.P384()), nil},
		{"EdDSA", ed, nil},
		{"RS256", rsa2048, nil},
		{"PS256", rsa2048, []string{"ES256", "PS256"}},
		{"RS256", rsa2048, []string{"ES512"}}, // a list that has nothing for us is not believed
	} {
		t.Run(tt.alg+" "+strings.Join(tt.listed, ","), func(t *testing.T) {
			p := newParty(t, func(c *fakeidp.Config) {
				c.Clients[0] = fakeidp.Client{ID: "crm", Auth: "private_key_jwt", PublicKey: tt.key.Public(), RedirectURIs: []string{redirectURI}}
			}, withKey(writeKey(t, tt.key)))
			if tt.listed != nil {
				p.idp.SetFaults(fakeidp.Faults{EditDiscovery: func(m map[string]any) {
					m["token_endpoint_auth_signing_alg_values_supported"] = tt.listed
				}})
			}
			first, err := p.signIn()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := revalidate(p.Redirector, grantOf(first)); err != nil {
				t.Errorf("refresh: %v", err)
			}
			for _, r := range p.idp.TokenRequests() {
				header, claims := assertionParts(t, r.Assertion)
				life := claims["exp"].(float64) - claims["iat"].(float64)
				if r.Auth != "private_key_jwt" || header["alg"] != tt.alg || header["typ"] != "JWT" || header["kid"] == "" {
					t.Errorf("%s with header %v", r.Auth, header)
				}
				if claims["iss"] != "crm" || claims["sub"] != "crm" || claims["aud"] != p.idp.Issuer()+"/token" || life > 600 {
					t.Errorf("claims %v", claims)
				}
			}
			if got := publishedKey(t, p.Redirector); !got.Valid() || !got.IsPublic() || got.Use != "sig" || got.KeyID == "" {
				t.Errorf("published key: %+v", got)
			}
		})
	}
}

func publishedKey(t *testing.T, r identity.Redirector) jose.JSONWebKey {
	t.Helper()
	keys, err := r.(identity.KeyPublisher).PublicKeys()
	if err != nil || len(keys) != 1 {
		t.Fatalf("PublicKeys: %d keys, %v", len(keys), err)
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(keys[0], &key); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSecretsAreNotPublished(t *testing.T) {
	p := newParty(t, nil, nil)
	if keys, err := p.Redirector.(identity.KeyPublisher).PublicKeys(); err != nil || len(keys) != 0 {
		t.Errorf("PublicKeys: %s, %v", keys, err)
	}
}

func TestWrongClientKey(t *testing.T) {
	p := newParty(t, func(c *fakeidp.Config) {
		c.Clients[0] = fakeidp.Client{ID: "crm", Auth: "private_key_jwt", PublicKey: ecKey(t, elliptic.P256()).Public(), RedirectURIs: []string{redirectURI}}
	}, withKey(writeKey(t, ecKey(t, elliptic.P256()))))
	if _, err := p.signIn(); refusal(err) != "unavailable: client_refused" {
		t.Errorf("sign-in: %v", err)
	}
	if n := len(p.idp.TokenRequests()); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
}

func TestClientCertificate(t *testing.T) {
	key, other := rsaKey(t, 2048), ecKey(t, elliptic.P256())
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "crm"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := writePEM(t, "CERTIFICATE", der)
	p := newParty(t, func(c *fakeidp.Config) {
		c.Clients[0] = fakeidp.Client{ID: "crm", Auth: "private_key_jwt", PublicKey: key.Public(), RedirectURIs: []string{redirectURI}}
	}, func(c *provider.Config) {
		withKey(writeKey(t, key))(c)
		c.ClientCertificateFile = certificate
	})
	p.mustSignIn()
	header, _ := assertionParts(t, p.idp.TokenRequests()[0].Assertion)
	print := sha256.Sum256(der)
	if header["alg"] != "PS256" || header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(print[:]) || header["kid"] != nil {
		t.Errorf("header %v", header)
	}

	c := provider.Config{}.Default()
	c.ID, c.Type, c.Issuer, c.ClientID = "p", "oidc", "https://id.example", "crm"
	withKey(writeKey(t, other))(&c)
	c.ClientCertificateFile = certificate
	if problems := c.Validate(); len(problems) != 1 || !strings.Contains(problems[0].Message, "another key") {
		t.Errorf("a certificate of another key: %+v", problems)
	}
	if _, err := provider.Open(c, provider.Env{RedirectURI: redirectURI}); err == nil {
		t.Error("Open takes a certificate of another key")
	}
}

func TestClientKeysThatAreNoGood(t *testing.T) {
	weak := writePEM(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey(t, 1024)))
	ec, err := x509.MarshalECPrivateKey(ecKey(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		file string
		good bool
	}{
		"missing":                 {"/does/not/exist", false},
		"1024 bits":               {weak, false},
		"P-521":                   {writeKey(t, ecKey(t, elliptic.P521())), false},
		"a public key":            {writePEM(t, "PUBLIC KEY", []byte("x")), false},
		"garbage":                 {writePEM(t, "PRIVATE KEY", []byte("x")), false},
		"encrypted":               {writePEM(t, "ENCRYPTED PRIVATE KEY", []byte("x")), false},
		"as older tools write it": {writePEM(t, "EC PRIVATE KEY", ec), true},
	} {
		c := provider.Config{}.Default()
		c.ID, c.Type, c.Issuer, c.ClientID = "p", "oidc", "https://id.example", "crm"
		withKey(tt.file)(&c)
		if problems := c.Validate(); (len(problems) == 0) != tt.good {
			t.Errorf("%s: %+v", name, problems)
		}
		if _, err := provider.Open(c, provider.Env{RedirectURI: redirectURI}); (err == nil) != tt.good {
			t.Errorf("%s: Open: %v", name, err)
		}
	}
}
