package fakeidp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"crmgate/internal/fakeidp"
)

func TestPushedRequests(t *testing.T) {
	p := newParty(t, func(c *fakeidp.Config) { c.RequirePAR = true })
	p.idp.SignInAs("ann@contoso.example")
	if a := p.get(p.request()); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a request that was not pushed: %s", a.Status)
	}
	push := func(edit func(url.Values)) (string, int) {
		u, err := url.Parse(p.request())
		if err != nil {
			t.Fatal(err)
		}
		v := u.Query()
		v.Set("client_secret", p.secret)
		edit(v)
		a := p.post(p.base+"/par", v)
		var body struct {
			RequestURI string `json:"request_uri"`
		}
		if err := json.Unmarshal([]byte(a.body), &body); err != nil {
			t.Fatal(err)
		}
		return body.RequestURI, a.StatusCode
	}
	keep := func(url.Values) {}
	for name, tt := range map[string]struct {
		edit   func(url.Values)
		status int
	}{
		"good":              {keep, http.StatusCreated},
		"wrong secret":      {func(v url.Values) { v.Set("client_secret", "x") }, http.StatusUnauthorized},
		"address not known": {func(v url.Values) { v.Set("redirect_uri", "https://evil.example") }, http.StatusBadRequest},
		"no PKCE":           {func(v url.Values) { v.Del("code_challenge") }, http.StatusBadRequest},
	} {
		if _, status := push(tt.edit); status != tt.status {
			t.Errorf("%s: %d, want %d", name, status, tt.status)
		}
	}
	at := func(name string) string {
		return p.base + "/authorize?" + url.Values{"client_id": {"crm"}, "request_uri": {name}}.Encode()
	}
	name, _ := push(keep)
	if code := p.back(p.get(at(name))).Get("code"); p.exchange(code).status != http.StatusOK {
		t.Error("a pushed request does not end in tokens")
	}
	if got := p.idp.LastRequest(); got.Get("state") != "st" || got.Has("client_secret") {
		t.Errorf("LastRequest = %v", got)
	}
	if a := p.get(at(name)); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a pushed request twice: %s", a.Status)
	}
	late, _ := push(keep)
	p.clock.advance(2 * time.Minute)
	if a := p.get(at(late)); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a pushed request after two minutes: %s", a.Status)
	}
}

func TestUserinfoAsAToken(t *testing.T) {
	p := newParty(t, func(c *fakeidp.Config) { c.Clients[0].SignedUserinfo = true })
	access := p.quick().Access
	ask := func() answer {
		req, err := http.NewRequest(http.MethodGet, p.base+"/userinfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+access)
		return p.do(req)
	}
	a := ask()
	claims, err := p.verify(a.body, "ES256")
	if err != nil || claims["sub"] != "u-ann" || claims["aud"] != "crm" || a.Header.Get("Content-Type") != "application/jwt" {
		t.Errorf("%v: %v, %v", a.Header, claims, err)
	}
	p.idp.SetFaults(fakeidp.Faults{UserinfoSigning: fakeidp.SignBroken, WithoutKid: true})
	if _, err := p.verify(ask().body, "ES256"); err == nil {
		t.Error("a broken signature is good")
	}
	p.idp.SetFaults(fakeidp.Faults{WithoutKid: true, TokenType: "-"})
	if header, _ := unverified(t, p.quick().ID); header["kid"] != nil || header["typ"] != nil {
		t.Errorf("header %v", header)
	}
	p.idp.SetFaults(fakeidp.Faults{EditKeys: func(keys []map[string]any) []map[string]any { return append(keys, map[string]any{"kty": "AKP"}) }})
	if a := p.get(p.base + "/jwks"); !strings.Contains(a.body, "AKP") {
		t.Errorf("keys: %s", a.body)
	}
}
