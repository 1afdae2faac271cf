package proxy_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"crmgate/internal/audit"
	"crmgate/internal/proxy"
	"crmgate/internal/token"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func key(t testing.TB) token.Key {
	t.Helper()
	k, err := proxy.NewAssertionKey(noon)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// open opens an upstream that is never asked.
func open(t testing.TB, c *clock, change func(*proxy.Config)) (*proxy.Upstream, *proxy.Signer) {
	t.Helper()
	cfg := proxy.Config{}.Default()
	cfg.ID, cfg.URLs = "crm", []string{"http://127.0.0.1:1"}
	if change != nil {
		change(&cfg)
	}
	s, err := proxy.NewSigner(key(t))
	if err != nil {
		t.Fatal(err)
	}
	public, _ := url.Parse("https://crm.example.com")
	u, err := proxy.Open(cfg, proxy.Shared{PublicURL: public, Names: proxy.NewNames([]proxy.Config{cfg}, nil), Signer: s, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return u, s
}

// asked is a request that a forward-auth question is about.
var asked = (&http.Request{Method: "GET"}).WithContext(audit.WithOrigin(context.Background(), audit.Origin{Scheme: "https", Host: "crm.example.com"}))

// told returns what the CRM is told about p.
func told(t testing.TB, u *proxy.Upstream, p proxy.Person) http.Header {
	t.Helper()
	id, err := u.Identify(p)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if err := u.Answer(h, asked, proxy.Path{Target: "/x?y"}, id); err != nil {
		t.Fatal(err)
	}
	return h
}

var ann = proxy.Person{ID: "id-1", Email: "ann@contoso.com", Name: "Ann Example", Username: "ann", Groups: []string{"sales", "crm-admins"},
	Provider: "contoso", Session: "s-1", AMR: []string{"pwd", "mfa"}, AuthTime: noon.Add(-time.Hour)}

func TestIdentityHeaders(t *testing.T) {
	plain := func(c *proxy.Config) { c.Identity.Assertion.Enabled = false }
	for _, tc := range []struct {
		name   string
		change func(*proxy.Config)
		person func(*proxy.Person)
		want   http.Header
	}{
		{"defaults", plain, nil, http.Header{"X-Forwarded-User": {"id-1"}, "X-Forwarded-Email": {"ann@contoso.com"}, "X-Forwarded-Name": {"Ann Example"},
			"X-Forwarded-Preferred-Username": {"ann"}, "X-Forwarded-Groups": {"sales,crm-admins"}, "X-Crmgate-Provider": {"contoso"}}},
		{"configured", func(c *proxy.Config) {
			plain(c)
			c.Identity.Headers = []proxy.HeaderConfig{{Name: "remote-user", Value: "username"}}
		}, nil, http.Header{"Remote-User": {"ann"}}},
		{"empty values stay empty", func(c *proxy.Config) {
			plain(c)
			c.Identity.Headers = []proxy.HeaderConfig{{Name: "Remote-User", Value: "username"}, {Name: "Remote-Groups", Value: "groups"}}
		}, func(p *proxy.Person) { p.Username, p.Groups = "", nil }, http.Header{"Remote-User": {""}, "Remote-Groups": {""}}},
		{"separators in groups", func(c *proxy.Config) {
			plain(c)
			c.Identity.Headers = []proxy.HeaderConfig{{Name: "Remote-Groups", Value: "groups"}}
		}, func(p *proxy.Person) { p.Groups = []string{"Sales, EMEA", `back\slash`, "", "50%", "plain"} },
			http.Header{"Remote-Groups": {`Sales%2C EMEA,back\slash,50%25,plain`}}},
		{"no header is injected", func(c *proxy.Config) {
			plain(c)
			c.Identity.Headers = []proxy.HeaderConfig{{Name: "Remote-Name", Value: "name"}, {Name: "Remote-Groups", Value: "groups"}}
		}, func(p *proxy.Person) {
			p.Name, p.Groups = " Ann\r\nX-Admin: 1\x00\u0085\x7f ", []string{"a\nb"}
		}, http.Header{"Remote-Name": {"Ann  X-Admin: 1"}, "Remote-Groups": {"a b"}}},
		{"beyond ASCII", func(c *proxy.Config) {
			plain(c)
			c.Identity.Headers = []proxy.HeaderConfig{{Name: "Remote-Name", Value: "name"}}
		}, func(p *proxy.Person) { p.Name = "Jürgen 山田\xff" }, http.Header{"Remote-Name": {"Jürgen 山田\ufffd"}}},
		{"beyond ASCII, RFC 8187", func(c *proxy.Config) {
			plain(c)
			c.Identity.Encoding = "rfc8187"
		}, func(p *proxy.Person) {
			p.Name, p.Username, p.Groups = "Jürgen 山", "UTF-8''%61dmin", []string{"vertrieb, süd"}
		}, http.Header{
			"X-Forwarded-User": {"id-1"}, "X-Forwarded-Email": {"ann@contoso.com"}, "X-Forwarded-Name": {"UTF-8''J%C3%BCrgen%20%E5%B1%B1"},
			"X-Forwarded-Preferred-Username": {"UTF-8''UTF-8%27%27%2561dmin"}, "X-Forwarded-Groups": {"UTF-8''vertrieb%252C%20s%C3%BCd"}, "X-Crmgate-Provider": {"contoso"}}},
		{"groups by pipe", func(c *proxy.Config) {
			plain(c)
			c.Identity.Groups, c.Identity.Headers = "pipe", []proxy.HeaderConfig{{Name: "Remote-Groups", Value: "groups"}}
		}, func(p *proxy.Person) { p.Groups = []string{"a,b", "c|d", "50%"} }, http.Header{"Remote-Groups": {"a,b|c%7Cd|50%25"}}},
		{"groups as JSON", func(c *proxy.Config) {
			plain(c)
			c.Identity.Groups, c.Identity.Headers = "json", []proxy.HeaderConfig{{Name: "Remote-Groups", Value: "groups"}}
		}, func(p *proxy.Person) { p.Groups = []string{"a,\"b\"", "süd\n"} }, http.Header{"Remote-Groups": {`["a,\"b\"","süd"]`}}},
		{"groups as JSON in ASCII", func(c *proxy.Config) {
			plain(c)
			c.Identity.Groups, c.Identity.Encoding, c.Identity.Headers = "json", "rfc8187", []proxy.HeaderConfig{{Name: "Remote-Groups", Value: "groups"}}
		}, func(p *proxy.Person) { p.Groups = []string{"süd", "😀"} }, http.Header{"Remote-Groups": {`["s\u00fcd","\ud83d\ude00"]`}}},
		{"no groups as JSON", func(c *proxy.Config) {
			plain(c)
			c.Identity.Groups, c.Identity.Headers = "json", []proxy.HeaderConfig{{Name: "Remote-Groups", Value: "groups"}}
		}, func(p *proxy.Person) { p.Groups = nil }, http.Header{"Remote-Groups": {"[]"}}},
		{"secret header", func(c *proxy.Config) {
			plain(c)
			c.Identity.Headers = []proxy.HeaderConfig{{Name: "Remote-User", Value: "email"}}
			c.Identity.SecretHeader = proxy.SecretHeaderConfig{Name: "x-gate-secret", Value: "0123456789abcdef"}
		}, nil, http.Header{"Remote-User": {"ann@contoso.com"}, "X-Gate-Secret": {"0123456789abcdef"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u, _ := open(t, &clock{noon}, tc.change)
			p := ann
			if tc.person != nil {
				tc.person(&p)
			}
			if diff := cmp.Diff(tc.want, told(t, u, p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnswerForNobodyIsEmptyEverywhere(t *testing.T) {
	u, _ := open(t, &clock{noon}, nil)
	h := http.Header{}
	if err := u.Answer(h, asked, proxy.Path{}, nil); err != nil {
		t.Fatal(err)
	}
	if len(h) != 7 {
		t.Errorf("%d headers, want the six and the assertion", len(h))
	}
	for name, values := range h {
		if diff := cmp.Diff([]string{""}, values); diff != "" {
			t.Error(name, diff)
		}
	}
}

// verify checks an assertion against a published key set and returns what it says.
func verify(t testing.TB, jwks []byte, compact string) (jose.Header, map[string]any) {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	head := jws.Signatures[0].Header
	keys := set.Key(head.KeyID)
	if len(keys) != 1 || !keys[0].IsPublic() {
		t.Fatalf("key %q: %d public keys", head.KeyID, len(keys))
	}
	payload, err := jws.Verify(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return head, claims
}

func TestAssertion(t *testing.T) {
	u, s := open(t, &clock{noon}, nil)
	head, claims := verify(t, s.JWKS(), told(t, u, ann).Get(proxy.AssertionHeader))
	want := map[string]any{"iss": "https://crm.example.com", "aud": "crm", "sub": "id-1", "email": "ann@contoso.com", "name": "Ann Example",
		"preferred_username": "ann", "groups": []any{"sales", "crm-admins"}, "provider": "contoso", "amr": []any{"pwd", "mfa"},
		"auth_time": float64(noon.Add(-time.Hour).Unix()), "sid": "s-1", "iat": float64(noon.Unix()), "exp": float64(noon.Add(5 * time.Minute).Unix())}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Error(diff)
	}
	if head.Algorithm != "ES256" || head.ExtraHeaders[jose.HeaderType] != "crmgate+jwt" {
		t.Errorf("head %+v", head)
	}
	if jwks := string(s.JWKS()); strings.Contains(jwks, `"d"`) || !strings.Contains(jwks, `"use":"sig"`) {
		t.Errorf("key set %s", jwks)
	}
}

func TestAssertionWithoutGroupsSaysSo(t *testing.T) {
	u, s := open(t, &clock{noon}, func(c *proxy.Config) { c.Identity.Assertion.Audience = "https://crm.internal" })
	_, claims := verify(t, s.JWKS(), told(t, u, proxy.Person{ID: "id-1"}).Get(proxy.AssertionHeader))
	want := map[string]any{"iss": "https://crm.example.com", "aud": "https://crm.internal", "sub": "id-1", "groups": []any{},
		"iat": float64(noon.Unix()), "exp": float64(noon.Add(5 * time.Minute).Unix())}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Error(diff)
	}
}

func TestAssertionIsSignedAgainAtHalfItsLife(t *testing.T) {
	c := &clock{noon}
	u, s := open(t, c, nil)
	id, err := u.Identify(ann)
	if err != nil {
		t.Fatal(err)
	}
	now := func(after time.Duration) string {
		c.now = noon.Add(after)
		h := http.Header{}
		if err := u.Answer(h, asked, proxy.Path{Target: "/x?y"}, id); err != nil {
			t.Fatal(err)
		}
		return h.Get(proxy.AssertionHeader)
	}
	first := now(0)
	if now(2*time.Minute) != first {
		t.Error("signed again after two minutes")
	}
	second := now(2*time.Minute + 30*time.Second)
	if second == first {
		t.Error("not signed again at half its life")
	}
	_, claims := verify(t, s.JWKS(), second)
	if claims["exp"] != float64(noon.Add(7*time.Minute+30*time.Second).Unix()) {
		t.Errorf("exp %v", claims["exp"])
	}
	if now(4*time.Minute) != second {
		t.Error("the second one is not used again")
	}
	if now(time.Hour) == second {
		t.Error("an expired one is used")
	}
}

func TestSignerKeys(t *testing.T) {
	c := &clock{noon}
	u, s := open(t, c, nil)
	old := told(t, u, ann).Get(proxy.AssertionHeader)
	head, _ := verify(t, s.JWKS(), old)

	newest, before := key(t), key(t)
	if err := s.Use(newest, before); err != nil {
		t.Fatal(err)
	}
	head2, _ := verify(t, s.JWKS(), told(t, u, ann).Get(proxy.AssertionHeader))
	if head2.KeyID != newest.ID || head2.KeyID == head.KeyID {
		t.Errorf("signed with %s, want the newest key %s", head2.KeyID, newest.ID)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(s.JWKS(), &set); err != nil || len(set.Keys) != 2 || set.Keys[1].KeyID != before.ID {
		t.Errorf("published %s, %v", s.JWKS(), err)
	}
	if _, err := proxy.NewSigner(); err == nil {
		t.Error("a signer without a key")
	}
	if err := s.Use(token.Key{ID: "x", Material: []byte("no key")}); err == nil {
		t.Error("material that is no key is taken")
	}
}

func TestBoundAssertion(t *testing.T) {
	c := &clock{noon}
	u, signer := open(t, c, func(c *proxy.Config) { c.Identity.Assertion.BindRoute = true })
	_, first := verify(t, signer.JWKS(), told(t, u, ann).Get(proxy.AssertionHeader))
	_, second := verify(t, signer.JWKS(), told(t, u, ann).Get(proxy.AssertionHeader))
	if first["jti"] == "" || first["jti"] == second["jti"] {
		t.Errorf("ids %q and %q", first["jti"], second["jti"])
	}
	if first["htm"] != "GET" || first["htu"] != "https://crm.example.com/x" || first["sub"] != "id-1" || first["exp"] != float64(noon.Add(time.Minute).Unix()) {
		t.Errorf("%v", first)
	}
	free, signer := open(t, c, nil)
	_, claims := verify(t, signer.JWKS(), told(t, free, ann).Get(proxy.AssertionHeader))
	for _, name := range []string{"htm", "htu", "jti"} {
		if v, ok := claims[name]; ok {
			t.Errorf("%s is %q where it was not asked for", name, v)
		}
	}
}
