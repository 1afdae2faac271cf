package fakeidp_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fakeidp"
)

// judge is the least a relying party must do with an ID token; it returns why it refuses.
func (p *party) judge(raw string) string {
	claims, err := p.verify(raw)
	if err != nil {
		return "signature: " + err.Error()
	}
	sub, _ := claims["sub"].(string)
	exp, _ := claims["exp"].(float64)
	iat, _ := claims["iat"].(float64)
	now := float64(p.clock.now().Unix())
	several := false
	aud, _ := claims["aud"].(string)
	if list, ok := claims["aud"].([]any); ok && len(list) > 0 {
		aud, _ = list[0].(string)
		several = len(list) > 1
	}
	azp, hasAZP := claims["azp"]
	switch {
	case claims["iss"] != p.idp.Issuer():
		return "iss"
	case aud != "crm":
		return "aud"
	case (several || hasAZP) && azp != "crm":
		return "azp"
	case claims["nonce"] != "no":
		return "nonce"
	case sub == "":
		return "sub"
	case exp <= now-60:
		return "exp"
	case iat >= now+60:
		return "iat"
	case claims["events"] != nil:
		return "events"
	}
	return ""
}

func TestBadIDTokensAreBad(t *testing.T) {
	p := newParty(t, nil)
	want := map[string]string{ // what the least careful reader above must stumble over, where it is not the signature
		"nonce wrong": "nonce", "nonce missing": "nonce", "nonce empty": "nonce",
		"iss wrong": "iss", "iss with a closing slash more": "iss", "iss missing": "iss",
		"aud wrong": "aud", "aud missing": "aud", "aud empty list": "aud",
		"second aud without azp": "azp", "second aud with wrong azp": "azp", "azp wrong": "azp",
		"expired": "exp", "exp missing": "exp", "iat an hour in the future": "iat",
		"sub empty": "sub", "sub missing": "sub", "sub a number": "sub", "a logout token": "events",
	}
	if got := p.judge(p.quick().ID); got != "" {
		t.Fatalf("an honest token is refused for %s", got)
	}
	for _, c := range fakeidp.BadIDTokens() {
		t.Run(c.Name, func(t *testing.T) {
			p.idp.SetFaults(c.Faults)
			defer p.idp.SetFaults(fakeidp.Faults{})
			got := p.judge(p.quick().ID)
			if reason, ok := want[c.Name]; ok && got != reason || !ok && !strings.HasPrefix(got, "signature: ") {
				t.Errorf("refused for %q", got)
			}
		})
	}
	if p.judge(p.quick().ID) != "" {
		t.Error("the faults stay after they were taken back")
	}
}

func TestSigning(t *testing.T) {
	p := newParty(t, nil)
	honest, _ := unverified(t, p.quick().ID)
	set := p.published()
	der, err := x509.MarshalPKIXPublicKey(set.Keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hmacOf := func(raw string, secret []byte) bool {
		i := strings.LastIndex(raw, ".")
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(raw[:i]))
		return raw[i+1:] == base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	}
	for _, tt := range []struct {
		name string
		how  fakeidp.Signing
		ok   func(raw string, header map[string]any) bool
	}{
		{"none", fakeidp.SignNone, func(raw string, h map[string]any) bool { return h["alg"] == "none" && strings.HasSuffix(raw, ".") }},
		{"secret", fakeidp.SignHS256Secret, func(raw string, h map[string]any) bool {
			return h["alg"] == "HS256" && hmacOf(raw, []byte("s3cret"))
		}},
		{"public key", fakeidp.SignHS256PublicKey, func(raw string, h map[string]any) bool {
			return h["alg"] == "HS256" && h["kid"] == honest["kid"] && hmacOf(raw, public)
		}},
		{"foreign key", fakeidp.SignForeignKey, func(_ string, h map[string]any) bool { return h["alg"] == "ES256" && h["kid"] == honest["kid"] }},
		{"unknown kid", fakeidp.SignUnknownKid, func(_ string, h map[string]any) bool { return h["alg"] == "ES256" && h["kid"] != honest["kid"] }},
		{"broken", fakeidp.SignBroken, func(_ string, h map[string]any) bool { return h["kid"] == honest["kid"] }},
		{"jwk", fakeidp.SignHeaderJWK, func(_ string, h map[string]any) bool { k, _ := h["jwk"].(map[string]any); return k["crv"] == "P-256" }},
		{"jku", fakeidp.SignHeaderJKU, func(_ string, h map[string]any) bool { return h["jku"] == p.base+"/foreign-jwks" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.idp.SetFaults(fakeidp.Faults{Signing: tt.how})
			raw := p.quick().ID
			header, _ := unverified(t, raw)
			if !tt.ok(raw, header) {
				t.Errorf("header %v", header)
			}
			if _, err := p.verify(raw); err == nil {
				t.Error("the token verifies against the published keys")
			}
		})
	}
	if p.idp.Calls(fakeidp.EndpointForeignKeys) != 0 {
		t.Error("the foreign keys were asked by nobody and yet counted")
	}
}

func TestOddClaims(t *testing.T) {
	p := newParty(t, nil)
	_, usual := unverified(t, p.quick().ID)
	for _, c := range fakeidp.OddClaims() {
		t.Run(c.Name, func(t *testing.T) {
			p.idp.SetFaults(c.Faults)
			_, got := unverified(t, p.quick().ID)
			delete(usual, "at_hash")
			delete(got, "at_hash")
			delete(usual, "sid")
			delete(got, "sid")
			if cmp.Equal(usual, got) {
				t.Error("the claims are the usual ones")
			}
			if got["sub"] != "u-ann" || got["nonce"] != "no" {
				t.Errorf("more than the oddity changed: %v", got)
			}
		})
	}
}

func TestEditToken(t *testing.T) {
	p := newParty(t, nil)
	p.idp.SetFaults(fakeidp.Faults{EditToken: func(b map[string]any) { delete(b, "id_token"); b["extra"] = 1 }})
	if got := p.quick(); got.ID != "" || got.Access == "" {
		t.Errorf("got %+v", got)
	}
}

func TestBadResponses(t *testing.T) {
	p := newParty(t, nil)
	p.idp.SignInAs("ann")
	honest := func(v url.Values) bool {
		return len(v["code"]) == 1 && v.Get("code") != "another" && len(v["state"]) == 1 && v.Get("state") == "st" &&
			len(v["iss"]) == 1 && v.Get("iss") == p.idp.Issuer() && !v.Has("error")
	}
	if v := p.back(p.get(p.request())); !honest(v) {
		t.Fatalf("response %v", v)
	}
	for _, c := range fakeidp.BadResponses() {
		t.Run(c.Name, func(t *testing.T) {
			p.idp.SetFaults(c.Faults)
			if v := p.back(p.get(p.request())); v == nil || honest(v) {
				t.Errorf("response %v", v)
			}
		})
	}
	t.Run("without RFC 9207", func(t *testing.T) {
		p.idp.SetFaults(fakeidp.WithoutResponseIss())
		if v := p.back(p.get(p.request())); v.Has("iss") || v.Get("code") == "" {
			t.Errorf("response %v", v)
		}
		if strings.Contains(p.get(p.base+"/.well-known/openid-configuration").body, "iss_parameter") {
			t.Error("still advertised")
		}
	})
}

func TestBadUserinfo(t *testing.T) {
	p := newParty(t, nil)
	for _, c := range fakeidp.BadUserinfo() {
		t.Run(c.Name, func(t *testing.T) {
			p.idp.SetFaults(c.Faults)
			req, _ := http.NewRequest(http.MethodGet, p.base+"/userinfo", nil)
			req.Header.Set("Authorization", "Bearer "+p.quick().Access)
			a := p.do(req)
			var info map[string]any
			err := json.Unmarshal([]byte(a.body), &info)
			if a.StatusCode == http.StatusOK && err == nil && info["sub"] == "u-ann" && len(a.body) < 1<<20 {
				t.Errorf("a good answer: %s", a.body)
			}
		})
	}
}

func TestBadDiscovery(t *testing.T) {
	p := newParty(t, nil)
	document := p.base + "/.well-known/openid-configuration"
	usual := p.get(document).body
	for _, c := range fakeidp.BadDiscovery() {
		t.Run(c.Name, func(t *testing.T) {
			p.idp.SetFaults(c.Faults)
			if c.Faults.Discovery.Hang {
				p.hangs(t, document)
				return
			}
			if a := p.get(document); a.StatusCode == http.StatusOK && a.body == usual {
				t.Error("the usual document")
			}
		})
	}
}

// hangs checks that an address does not answer, and that taking the fault back lets the request go.
func (p *party) hangs(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if _, err := p.http.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want no answer", err)
	}
	done := make(chan int)
	go func() {
		res, err := p.http.Get(address)
		if err != nil {
			done <- 0
			return
		}
		done <- res.StatusCode
		res.Body.Close()
	}()
	// Faults that replace these keep later requests good, so it does not matter which comes first.
	p.idp.SetFaults(fakeidp.Faults{})
	if got := <-done; got != http.StatusOK {
		t.Errorf("status %d once the fault is gone", got)
	}
}

func TestBadTokenEndpoints(t *testing.T) {
	p := newParty(t, nil)
	const elsewhere = "http://evil.example/token"
	for _, c := range fakeidp.BadTokenEndpoints(elsewhere) {
		t.Run(c.Name, func(t *testing.T) {
			p.idp.SignInAs("ann")
			p.idp.SetFaults(c.Faults)
			defer p.idp.SetFaults(fakeidp.Faults{})
			code := p.back(p.get(p.request())).Get("code")
			v := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}, "client_id": {"crm"}, "client_secret": {"s3cret"}}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if c.Faults.Token.Hang {
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
			}
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, p.base+"/token", strings.NewReader(v.Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if c.Faults.Token.Hang {
				if _, err := p.http.Do(req); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want no answer", err)
				}
				return
			}
			a := p.do(req)
			var tok tokens
			err := json.Unmarshal([]byte(a.body), &tok)
			switch {
			case c.Faults.Token.Redirect != "":
				if a.StatusCode != http.StatusTemporaryRedirect || a.Header.Get("Location") != elsewhere {
					t.Errorf("status %d, Location %q", a.StatusCode, a.Header.Get("Location"))
				}
			case c.Faults.Token.Pad > 0:
				if len(a.body) <= 1<<20 || tok.ID == "" {
					t.Errorf("%d bytes", len(a.body))
				}
			case a.StatusCode == http.StatusOK && err == nil:
				t.Errorf("a good answer: %s", a.body)
			}
		})
	}
}

func TestDelay(t *testing.T) {
	p := newParty(t, nil)
	p.idp.SetFaults(fakeidp.Faults{Keys: fakeidp.Trouble{Delay: 30 * time.Millisecond}})
	start := time.Now()
	p.get(p.base + "/jwks")
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("took %s", took)
	}
}

func TestRotation(t *testing.T) {
	p := newParty(t, nil)
	old := p.quick().ID
	for _, tt := range []struct {
		keep bool
		keys int
	}{{true, 2}, {false, 1}} {
		if err := p.idp.RotateKeys(tt.keep); err != nil {
			t.Fatal(err)
		}
		if n := len(p.published().Keys); n != tt.keys {
			t.Errorf("keep %v: %d keys, want %d", tt.keep, n, tt.keys)
		}
		if _, err := p.verify(old); (err == nil) != tt.keep {
			t.Errorf("keep %v: the old token: %v", tt.keep, err)
		}
		if _, err := p.verify(p.quick().ID); err != nil {
			t.Errorf("keep %v: a new token: %v", tt.keep, err)
		}
	}
}

func TestCounters(t *testing.T) {
	p := newParty(t, nil)
	p.idp.SetFaults(fakeidp.Faults{Token: fakeidp.Trouble{Status: 503}})
	p.quick()
	p.idp.SetFaults(fakeidp.Faults{})
	p.get(p.base + "/jwks")
	got := p.idp.TokenRequests()
	if len(got) != 1 || len(got[0].Code) < 32 {
		t.Fatalf("requests %+v", got)
	}
	want := fakeidp.TokenRequest{GrantType: "authorization_code", ClientID: "crm", Auth: "client_secret_basic", Code: got[0].Code, Verifier: verifier, Error: "trouble"}
	if d := cmp.Diff(want, got[0]); d != "" {
		t.Error(d)
	}
	counts := map[string]int{}
	for _, e := range []string{fakeidp.EndpointDiscovery, fakeidp.EndpointAuthorize, fakeidp.EndpointToken, fakeidp.EndpointKeys} {
		counts[e] = p.idp.Calls(e)
	}
	if d := cmp.Diff(map[string]int{"discovery": 0, "authorize": 1, "token": 1, "jwks": 1}, counts); d != "" {
		t.Error(d)
	}
}

// TestConcurrent is for the race detector: faults, people and keys change while others sign in.
func TestConcurrent(t *testing.T) {
	p := newParty(t, func(c *fakeidp.Config) { c.AlwaysRefresh = true })
	p.idp.SignInAs("ann")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			q := &party{t: t, idp: p.idp, clock: p.clock, http: browser(t), base: p.base, clientID: "crm", secret: "s3cret", how: "client_secret_basic"}
			for range 5 {
				code := q.back(q.get(q.request())).Get("code")
				if tok := q.exchange(code); tok.ID == "" || q.refresh(tok.Refresh).ID == "" {
					t.Error("no tokens")
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) { c["x"] = 1 }})
			if err := p.idp.UpdateUser("ann", func(u *fakeidp.User) { u.Groups = append(u.Groups, "x") }); err != nil {
				t.Error(err)
			}
			if err := p.idp.RotateKeys(true); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}
