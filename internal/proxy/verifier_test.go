package proxy_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"crmgate/internal/proxy"
	"crmgate/internal/realtest"
	"crmgate/internal/token"
)

// verifiers are the programs of examples/verify-assertion.
func verifiers(t *testing.T) map[string][]string {
	dir := filepath.Join(realtest.Root(t), "examples", "verify-assertion")
	built := filepath.Join(t.TempDir(), "verify")
	build := exec.Command("go", "build", "-o", built, "verify.go")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	python := realtest.Program(t, "/usr/bin/python3", "python3-jwt python3-cryptography")
	return map[string][]string{
		"php":    {realtest.Program(t, "php", "php-cli"), filepath.Join(dir, "verify.php")},
		"python": {python, filepath.Join(dir, "verify.py")},
		"node":   {realtest.Program(t, "node", "nodejs"), filepath.Join(dir, "verify.mjs")},
		"go":     {built},
	}
}

// signWith signs claims as an attacker or a careless colleague would.
func signWith(t *testing.T, alg jose.SignatureAlgorithm, key any, typ, kid string, claims map[string]any) string {
	t.Helper()
	opts := (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", kid)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// TestVerifierExamples gives each of them a real assertion and forged ones.
func TestVerifierExamples(t *testing.T) {
	old, err := proxy.NewAssertionKey(time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	current, err := proxy.NewAssertionKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := proxy.NewSigner(current, old)
	if err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(signer.JWKS()) }))
	t.Cleanup(keys.Close)

	const issuer, audience = "https://crm.example.com", "crm"
	real := assertionOf(t, signer, issuer, audience, proxy.Person{ID: "a1", Email: "ann@contoso.com", Name: "Änn", Groups: []string{"sales, north"}})
	private := privateKey(t, current)
	good := func(change map[string]any) map[string]any {
		c := map[string]any{"iss": issuer, "aud": audience, "sub": "a1", "email": "ann@contoso.com", "groups": []string{}, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
		for k, v := range change {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		return c
	}
	const typ = proxy.AssertionType
	stranger, err := proxy.NewAssertionKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"`+typ+`","kid":"`+current.ID+`"}`)) + "." + strings.Split(real, ".")[1] + "."
	cases := []struct {
		name, token string
		good        bool
	}{
		{"real", real, true},
		{"signed with the key before", signWith(t, jose.ES256, privateKey(t, old), typ, old.ID, good(nil)), true},
		{"signature changed", real[:len(real)-8] + "AAAAAAAA", false},
		{"claims changed", strings.Replace(real, ".", ".e30", 1), false},
		{"another audience", signWith(t, jose.ES256, private, typ, current.ID, good(map[string]any{"aud": "wiki"})), false},
		{"another issuer", signWith(t, jose.ES256, private, typ, current.ID, good(map[string]any{"iss": "https://evil.example"})), false},
		{"expired", signWith(t, jose.ES256, private, typ, current.ID, good(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})), false},
		{"without an end", signWith(t, jose.ES256, private, typ, current.ID, good(map[string]any{"exp": nil})), false},
		{"about nobody", signWith(t, jose.ES256, private, typ, current.ID, good(map[string]any{"sub": nil})), false},
		{"another type", signWith(t, jose.ES256, private, "JWT", current.ID, good(nil)), false},
		{"a stranger's key", signWith(t, jose.ES256, privateKey(t, stranger), typ, current.ID, good(nil)), false},
		{"an unknown key", signWith(t, jose.ES256, privateKey(t, stranger), typ, stranger.ID, good(nil)), false},
		{"HMAC with the public key", signWith(t, jose.HS256, public, typ, current.ID, good(nil)), false},
		{"unsigned", unsigned, false},
		{"nothing", "", false},
		{"two parts", "a.b", false},
		{"junk", "%%%.%%%.%%%", false},
	}
	for language, command := range verifiers(t) {
		t.Run(language, func(t *testing.T) {
			for _, tt := range cases {
				t.Run(tt.name, func(t *testing.T) {
					cmd := exec.CommandContext(t.Context(), command[0], append(command[1:], keys.URL, issuer, audience)...)
					cmd.Stdin = strings.NewReader(tt.token)
					var out, complaint bytes.Buffer
					cmd.Stdout, cmd.Stderr = &out, &complaint
					err := cmd.Run()
					if !tt.good {
						if err == nil || out.Len() > 0 || !strings.Contains(complaint.String(), "refused: ") {
							t.Errorf("%v: said %q and %q; want a refusal", err, &out, &complaint)
						}
						return
					}
					var got struct{ Sub, Email string }
					if err != nil || json.Unmarshal(out.Bytes(), &got) != nil || got.Sub != "a1" || got.Email != "ann@contoso.com" {
						t.Errorf("%v: said %q and %q", err, &out, &complaint)
					}
				})
			}
		})
	}
}

// assertionOf returns what the gateway sends an upstream about a person.
func assertionOf(t *testing.T, signer *proxy.Signer, issuer, audience string, p proxy.Person) string {
	t.Helper()
	public, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	cfg := proxy.Config{}.Default()
	cfg.ID, cfg.URLs = audience, []string{"http://127.0.0.1:1"}
	u, err := proxy.Open(cfg, proxy.Shared{PublicURL: public, Names: proxy.NewNames([]proxy.Config{cfg}, nil), Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	id, err := u.Identify(p)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if err := u.Answer(h, asked, proxy.Path{}, id); err != nil {
		t.Fatal(err)
	}
	return h.Get(proxy.AssertionHeader)
}

func privateKey(t *testing.T, k token.Key) *ecdsa.PrivateKey {
	t.Helper()
	parsed, err := x509.ParsePKCS8PrivateKey(k.Material)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.(*ecdsa.PrivateKey)
}
