package fakeidp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"crmgate/internal/fakeidp"
)

func TestNewRefuses(t *testing.T) {
	good := func() fakeidp.Config {
		return fakeidp.Config{Issuer: "http://127.0.0.1:1/idp", Algs: []string{"ES256"},
			Clients: []fakeidp.Client{{ID: "crm"}}, Users: []fakeidp.User{{Subject: "1", Email: "a@b"}}}
	}
	for _, tt := range []struct {
		name   string
		change func(*fakeidp.Config)
		want   string
	}{
		{"good", func(*fakeidp.Config) {}, ""},
		{"no issuer", func(c *fakeidp.Config) { c.Issuer = "" }, "issuer"},
		{"issuer with a query", func(c *fakeidp.Config) { c.Issuer += "?x" }, "issuer"},
		{"ftp issuer", func(c *fakeidp.Config) { c.Issuer = "ftp://x" }, "issuer"},
		{"color", func(c *fakeidp.Config) { c.Color = "red;" }, "color"},
		{"client without id", func(c *fakeidp.Config) { c.Clients[0].ID = "" }, "id is required"},
		{"client with another algorithm", func(c *fakeidp.Config) { c.Clients[0].Alg = "RS256" }, "not offered"},
		{"private_key_jwt without key", func(c *fakeidp.Config) { c.Clients[0].Auth = "private_key_jwt" }, "public key"},
		{"unknown algorithm", func(c *fakeidp.Config) { c.Algs = []string{"HS256"} }, "HS256"},
		{"user without subject", func(c *fakeidp.Config) { c.Users[0].Subject = "" }, "subject"},
		{"two users of one address", func(c *fakeidp.Config) { c.Users = append(c.Users, fakeidp.User{Subject: "2", Email: "A@B"}) }, "same"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good()
			tt.change(&c)
			_, err := fakeidp.New(c)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestDiscovery(t *testing.T) {
	for _, closing := range []string{"", "/"} {
		p := newParty(t, func(c *fakeidp.Config) { c.Issuer += closing; c.Algs = []string{"ES256", "EdDSA"} })
		var m map[string]any
		if err := json.Unmarshal([]byte(p.get(p.base+"/.well-known/openid-configuration").body), &m); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]any{
			"issuer": p.base + closing, "authorization_endpoint": p.base + "/authorize", "token_endpoint": p.base + "/token",
			"jwks_uri": p.base + "/jwks", "userinfo_endpoint": p.base + "/userinfo", "end_session_endpoint": p.base + "/logout",
			"authorization_response_iss_parameter_supported": true,
		} {
			if m[name] != want {
				t.Errorf("%s is %v, want %v", name, m[name], want)
			}
		}
		var algs []string
		for _, k := range p.published().Keys {
			algs = append(algs, k.Algorithm)
			if !k.IsPublic() {
				t.Error("a private key is published")
			}
		}
		if !slices.Equal(algs, []string{"ES256", "EdDSA"}) {
			t.Errorf("keys for %v", algs)
		}
		_, claims := unverified(t, p.quick().ID)
		if claims["iss"] != p.base+closing {
			t.Errorf("iss %v", claims["iss"])
		}
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := newParty(t, nil)
	p.clientID, p.how = "keyed", "private_key_jwt"
	if err := p.idp.PutClient(fakeidp.Client{ID: "keyed", Auth: "private_key_jwt", PublicKey: key.Public(), RedirectURIs: []string{callback}}); err != nil {
		t.Fatal(err)
	}
	assertion := func(key *ecdsa.PrivateKey, claims map[string]any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := signer.Sign(b)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := sig.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		key    *ecdsa.PrivateKey
		change func(map[string]any)
		want   string
	}{
		{"good", key, func(map[string]any) {}, ""},
		{"the same jti again", key, func(map[string]any) {}, "invalid_client"},
		{"other key", other, func(c map[string]any) { c["jti"] = "2" }, "invalid_client"},
		{"expired", key, func(c map[string]any) { c["jti"] = "3"; c["exp"] = p.clock.now().Unix() }, "invalid_client"},
		{"other audience", key, func(c map[string]any) { c["jti"] = "4"; c["aud"] = "http://other.example/token" }, "invalid_client"},
		{"other subject", key, func(c map[string]any) { c["jti"] = "5"; c["sub"] = "crm" }, "invalid_client"},
		{"no jti", key, func(c map[string]any) { delete(c, "jti") }, "invalid_client"},
		{"list as audience", key, func(c map[string]any) { c["jti"] = "6"; c["aud"] = []string{p.idp.Issuer()} }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.idp.SignInAs("ann")
			code := p.back(p.get(p.request())).Get("code")
			claims := map[string]any{"iss": "keyed", "sub": "keyed", "aud": p.base + "/token", "exp": p.clock.now().Unix() + 60, "jti": "1"}
			tt.change(claims)
			got := p.token(url.Values{
				"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion(tt.key, claims)},
			})
			if got.Error != tt.want {
				t.Errorf("error %q, want %q", got.Error, tt.want)
			}
		})
	}
	if got := p.idp.TokenRequests()[0].Auth; got != "private_key_jwt" {
		t.Errorf("recorded as %s", got)
	}
}

func TestListen(t *testing.T) {
	r, err := fakeidp.Listen(fakeidp.Config{Issuer: "/contoso", Algs: []string{"ES256"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if !strings.HasPrefix(r.Issuer(), "http://127.0.0.1:") || !strings.HasSuffix(r.Issuer(), "/contoso") {
		t.Fatalf("issuer %s", r.Issuer())
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	ask := func() error {
		res, err := client.Get(r.Issuer() + "/.well-known/openid-configuration")
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err == nil {
		t.Error("it answers although it is stopped")
	}
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

func TestListenTLS(t *testing.T) {
	r, err := fakeidp.ListenTLS(fakeidp.Config{Algs: []string{"ES256"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(r.CA) || !strings.HasPrefix(r.Issuer(), "https://") {
		t.Fatalf("issuer %s, CA %q", r.Issuer(), r.CA)
	}
	for name, roots := range map[string]*x509.CertPool{"with the CA": pool, "without": x509.NewCertPool()} {
		client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
		res, err := client.Get(r.Issuer() + "/jwks")
		if (err == nil) != (roots == pool) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			res.Body.Close()
		}
	}
}

func TestPagesAreWhole(t *testing.T) {
	p := newParty(t, func(c *fakeidp.Config) { c.Color = "#ffd400"; c.Name = "<Tailspin>" })
	for address, want := range map[string]string{
		"/":          "Your &lt;Tailspin&gt; account",
		"/style.css": "--accent: #ffd400",
		"/icon.svg":  ">&lt;</text>",
		"/submit.js": "submit()",
	} {
		a := p.get(p.base + address)
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("%s: status %d, no %q", address, a.StatusCode, want)
		}
	}
	if css := p.get(p.base + "/style.css").body; !strings.Contains(css, "--on-accent: #111") {
		t.Error("white letters on yellow")
	}
	a := p.get(p.request())
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' http://rp.invalid") {
		t.Errorf("the form may not end at the client: %s", csp)
	}
	if a := p.get(strings.TrimSuffix(p.base, "/idp") + "/elsewhere"); a.StatusCode != http.StatusNotFound {
		t.Errorf("outside the issuer: %d", a.StatusCode)
	}
}
