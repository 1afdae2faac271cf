package fakeidp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fakeidp"
)

func TestSignInWithForm(t *testing.T) {
	p := newParty(t, nil)
	a := p.signIn(p.request("login_hint", "ann@contoso.example"), "Ann@Contoso.example", "correct horse")
	v := p.back(a)
	if v.Get("state") != "st" || v.Get("iss") != p.idp.Issuer() || len(v.Get("code")) < 32 {
		t.Fatalf("response %v from %d", v, a.StatusCode)
	}
	tok := p.exchange(v.Get("code"))
	got, err := p.verify(tok.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sid", "at_hash"} {
		if s, _ := got[name].(string); s == "" {
			t.Errorf("claim %s is %v", name, got[name])
		}
		delete(got, name)
	}
	want := map[string]any{
		"iss": p.idp.Issuer(), "aud": "crm", "sub": "u-ann", "nonce": "no", "amr": []any{"pwd"},
		"iat": 1.8e9, "exp": 1.8e9 + 600, "auth_time": 1.8e9,
		"email": "ann@contoso.example", "email_verified": true, "name": "Ann Lindqvist", "preferred_username": "ann",
		"groups": []any{"sales", "staff"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("claims (-want +got):\n%s", d)
	}

	req, _ := http.NewRequest(http.MethodGet, p.base+"/userinfo", nil)
	req.Header.Set("Authorization", "Bearer "+tok.Access)
	var info map[string]any
	if err := json.Unmarshal([]byte(p.do(req).body), &info); err != nil {
		t.Fatal(err)
	}
	if info["sub"] != "u-ann" || info["email"] != "ann@contoso.example" {
		t.Errorf("userinfo %v", info)
	}
	req.Header.Set("Authorization", "Bearer x"+tok.Access)
	if a := p.do(req); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("userinfo with a wrong token: %d", a.StatusCode)
	}

	// The second sign-in is silent, and is a sign-in at the same moment.
	p.clock.advance(time.Minute)
	v = p.back(p.get(p.request("nonce", "other")))
	claims, err := p.verify(p.exchange(v.Get("code")).ID)
	if err != nil {
		t.Fatal(err)
	}
	if claims["nonce"] != "other" || claims["auth_time"] != 1.8e9 {
		t.Errorf("second sign-in: nonce %v, auth_time %v", claims["nonce"], claims["auth_time"])
	}
}

func TestSignInRefused(t *testing.T) {
	p := newParty(t, nil)
	for _, tt := range []struct{ name, email, password, want string }{
		{"wrong password", "ann@contoso.example", "wrong", "do not belong together"},
		{"empty password", "ann@contoso.example", "", "do not belong together"},
		{"nobody", "nobody@contoso.example", "correct horse", "do not belong together"},
		{"no name", "", "correct horse", "do not belong together"},
		{"disabled", "gone@contoso.example", "correct horse", "disabled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := p.signIn(p.request(), tt.email, tt.password)
			if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, tt.want) {
				t.Errorf("status %d, body %s", a.StatusCode, a.body)
			}
			if len(a.Cookies()) != 0 {
				t.Errorf("a cookie came: %v", a.Cookies())
			}
		})
	}
}

func TestFormFromAnotherSiteIsRefused(t *testing.T) {
	p := newParty(t, nil)
	v := url.Values{"request": {strings.SplitN(p.request(), "?", 2)[1]}, "email": {"ann"}, "password": {"correct horse"}}
	req, _ := http.NewRequest(http.MethodPost, p.base+"/sign-in", strings.NewReader(v.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := p.do(req); a.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, want 403", a.StatusCode)
	}
}

func TestBadRequests(t *testing.T) {
	p := newParty(t, nil)
	for _, tt := range []struct{ name, request, want string }{
		{"unknown client", p.request("client_id", "nobody"), "page"},
		{"foreign redirect", p.request("redirect_uri", "http://evil.example/"), "page"},
		{"redirect with a path more", p.request("redirect_uri", callback+"/x"), "page"},
		{"redirect twice", p.request() + "&redirect_uri=x", "page"},
		{"state twice", p.request() + "&state=x", "invalid_request"},
		{"implicit flow", p.request("response_type", "id_token"), "unsupported_response_type"},
		{"no openid", p.request("scope", "email"), "invalid_scope"},
		{"no challenge", p.request("code_challenge", ""), "invalid_request"},
		{"plain challenge", p.request("code_challenge_method", "plain"), "invalid_request"},
		{"request object", p.request("request", "x"), "request_not_supported"},
		{"max_age no number", p.request("max_age", "soon"), "invalid_request"},
		{"prompt none and more", p.request("prompt", "none login"), "invalid_request"},
		{"prompt none, nobody there", p.request("prompt", "none"), "login_required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := p.get(tt.request)
			v := p.back(a)
			if tt.want == "page" {
				if a.StatusCode != http.StatusBadRequest || v != nil {
					t.Errorf("status %d, response %v, want a page", a.StatusCode, v)
				}
				return
			}
			if v.Get("error") != tt.want || v.Get("iss") != p.idp.Issuer() || v.Get("code") != "" {
				t.Errorf("response %v, want error %s", v, tt.want)
			}
		})
	}
}

func TestPrompts(t *testing.T) {
	p := newParty(t, nil)
	hint := p.quick().ID
	p.clock.advance(time.Minute)
	for _, tt := range []struct {
		name  string
		pairs []string
		want  string
	}{
		{"nothing asked", nil, "code"},
		{"none", []string{"prompt", "none"}, "code"},
		{"none with her hint", []string{"prompt", "none", "id_token_hint", hint}, "code"},
		{"none with a broken hint", []string{"prompt", "none", "id_token_hint", hint[:len(hint)-4]}, "login_required"},
		{"none with another login hint", []string{"prompt", "none", "login_hint", "bob@contoso.example"}, "login_required"},
		{"her login hint", []string{"login_hint", "ann"}, "code"},
		{"another login hint", []string{"login_hint", "bob@contoso.example"}, "form"},
		{"login", []string{"prompt", "login"}, "form"},
		{"select_account", []string{"prompt", "select_account"}, "choice"},
		{"max_age old enough", []string{"max_age", "61"}, "code"},
		{"max_age too young", []string{"max_age", "60"}, "form"},
		{"max_age too young, none", []string{"max_age", "10", "prompt", "none"}, "login_required"},
		{"max_age 0", []string{"max_age", "0"}, "form"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := p.get(p.request(tt.pairs...))
			v, got := p.back(a), "nothing"
			switch {
			case v.Get("code") != "":
				got = "code"
			case v != nil:
				got = v.Get("error")
			case strings.Contains(a.body, `action="/idp/choose"`):
				got = "choice"
			case strings.Contains(a.body, `name="password"`):
				got = "form"
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("choosing goes on", func(t *testing.T) {
		a := p.get(p.request("prompt", "select_account"))
		a = p.post(p.base+"/choose", url.Values{"request": {p.hidden(a, "request")}})
		if p.back(a).Get("code") == "" {
			t.Errorf("status %d, no code", a.StatusCode)
		}
	})
	t.Run("a login keeps the sid and moves auth_time", func(t *testing.T) {
		_, before := unverified(t, hint)
		v := p.back(p.signIn(p.request("prompt", "login"), "ann", "correct horse"))
		_, after := unverified(t, p.exchange(v.Get("code")).ID)
		if after["sid"] != before["sid"] || after["auth_time"] == before["auth_time"] {
			t.Errorf("before %v, after %v", before, after)
		}
	})
}

func TestAutoLogin(t *testing.T) {
	for _, on := range []bool{true, false} {
		p := newParty(t, func(c *fakeidp.Config) { c.AutoLogin = on })
		v := p.back(p.get(p.request("login_hint", "auto:bob@contoso.example")))
		if got := v.Get("code") != ""; got != on {
			t.Errorf("AutoLogin %v: code %v", on, got)
		}
	}
}

func TestFormPost(t *testing.T) {
	p := newParty(t, nil)
	p.idp.SignInAs("ann")
	a := p.get(p.request("response_mode", "form_post"))
	if a.StatusCode != http.StatusOK || p.hidden(a, "state") != "st" || !strings.Contains(a.body, `action="`+callback+`"`) {
		t.Fatalf("status %d, body %s", a.StatusCode, a.body)
	}
	if tok := p.exchange(p.hidden(a, "code")); tok.ID == "" {
		t.Errorf("exchange: %+v", tok)
	}
}

func TestCode(t *testing.T) {
	code := func(p *party) string {
		p.idp.SignInAs("ann")
		return p.back(p.get(p.request())).Get("code")
	}
	form := func(code string) url.Values {
		return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	}
	for _, tt := range []struct {
		name string
		run  func(p *party) tokens
		want string
	}{
		{"good", func(p *party) tokens { return p.exchange(code(p)) }, ""},
		{"twice", func(p *party) tokens { c := code(p); p.exchange(c); return p.exchange(c) }, "invalid_grant"},
		{"made up", func(p *party) tokens { return p.exchange("x") }, "invalid_grant"},
		{"after 59 s", func(p *party) tokens { c := code(p); p.clock.advance(59 * time.Second); return p.exchange(c) }, ""},
		{"after 60 s", func(p *party) tokens { c := code(p); p.clock.advance(time.Minute); return p.exchange(c) }, "invalid_grant"},
		{"wrong verifier", func(p *party) tokens { v := form(code(p)); v.Set("code_verifier", "x"+verifier); return p.token(v) }, "invalid_grant"},
		{"no verifier", func(p *party) tokens { v := form(code(p)); v.Del("code_verifier"); return p.token(v) }, "invalid_grant"},
		{"other redirect", func(p *party) tokens { v := form(code(p)); v.Set("redirect_uri", "x"); return p.token(v) }, "invalid_grant"},
		{"by another client", func(p *party) tokens { c := code(p); p.clientID, p.how = "spa", "none"; return p.exchange(c) }, "invalid_grant"},
		{"wrong secret", func(p *party) tokens { c := code(p); p.secret = "x"; return p.exchange(c) }, "invalid_client"},
		{"by post", func(p *party) tokens { c := code(p); p.how = "client_secret_post"; return p.exchange(c) }, ""},
		{"no secret", func(p *party) tokens { c := code(p); p.how = "none"; return p.exchange(c) }, "invalid_client"},
		{"public client", func(p *party) tokens { p.clientID, p.how = "spa", "none"; return p.exchange(code(p)) }, ""},
		{"basic where post is demanded", func(p *party) tokens {
			if err := p.idp.PutClient(fakeidp.Client{ID: "crm", Secret: "s3cret", Auth: "client_secret_post", RedirectURIs: []string{callback}}); err != nil {
				p.t.Fatal(err)
			}
			return p.exchange(code(p))
		}, "invalid_client"},
		{"both methods", func(p *party) tokens { v := form(code(p)); v.Set("client_secret", "s3cret"); return p.token(v) }, "invalid_client"},
		{"other grant", func(p *party) tokens { return p.token(url.Values{"grant_type": {"password"}}) }, "unsupported_grant_type"},
		{"disabled meanwhile", func(p *party) tokens {
			c := code(p)
			if err := p.idp.UpdateUser("ann", func(u *fakeidp.User) { u.Disabled = true }); err != nil {
				p.t.Fatal(err)
			}
			return p.exchange(c)
		}, "invalid_grant"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.run(newParty(t, nil))
			if got.Error != tt.want || (got.ID == "") == (tt.want == "") {
				t.Errorf("error %q (status %d), want %q", got.Error, got.status, tt.want)
			}
		})
	}
	t.Run("a second use revokes what the first one gave", func(t *testing.T) {
		p := newParty(t, func(c *fakeidp.Config) { c.AlwaysRefresh = true })
		c := code(p)
		first := p.exchange(c)
		p.exchange(c)
		if got := p.refresh(first.Refresh); got.Error != "invalid_grant" {
			t.Errorf("refresh: %+v", got)
		}
	})
}

func TestRefresh(t *testing.T) {
	t.Run("only when asked", func(t *testing.T) {
		p := newParty(t, nil)
		if got := p.quick(); got.Refresh != "" {
			t.Error("a refresh token came without offline_access")
		}
		if got := p.quick("scope", "openid offline_access"); got.Refresh == "" {
			t.Error("no refresh token")
		}
	})
	t.Run("rotates and follows the person", func(t *testing.T) {
		p := newParty(t, func(c *fakeidp.Config) { c.AlwaysRefresh = true })
		first := p.quick()
		if err := p.idp.UpdateUser("ann", func(u *fakeidp.User) { u.Groups = []string{"board"} }); err != nil {
			t.Fatal(err)
		}
		p.clock.advance(time.Minute)
		second := p.refresh(first.Refresh)
		claims, err := p.verify(second.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, has := claims["nonce"]; has || claims["auth_time"] != 1.8e9 || claims["iat"] != 1.8e9+60 {
			t.Errorf("claims %v", claims)
		}
		if d := cmp.Diff([]any{"board"}, claims["groups"]); d != "" {
			t.Error(d)
		}
		if second.Refresh == first.Refresh || second.Refresh == "" {
			t.Fatalf("refresh token %q after %q", second.Refresh, first.Refresh)
		}
		if got := p.refresh(first.Refresh); got.Error != "invalid_grant" {
			t.Errorf("the old one again: %+v", got)
		}
		if got := p.refresh(second.Refresh); got.Error != "invalid_grant" {
			t.Errorf("the new one after the old one was used twice: %+v", got)
		}
	})
	for name, end := range map[string]func(p *party, tok tokens) error{
		"disabled": func(p *party, _ tokens) error {
			return p.idp.UpdateUser("ann", func(u *fakeidp.User) { u.Disabled = true })
		},
		"revoked":    func(p *party, _ tokens) error { return p.idp.Revoke("ann") },
		"signed out": func(p *party, tok tokens) error { p.get(p.base + "/logout?id_token_hint=" + tok.ID); return nil },
		"expired":    func(p *party, _ tokens) error { p.clock.advance(9 * time.Hour); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := newParty(t, func(c *fakeidp.Config) { c.AlwaysRefresh = true })
			tok := p.quick()
			if err := end(p, tok); err != nil {
				t.Fatal(err)
			}
			if got := p.refresh(tok.Refresh); got.Error != "invalid_grant" {
				t.Errorf("refresh: %+v", got)
			}
		})
	}
}

func TestAlgorithms(t *testing.T) {
	algs := []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
	p := newParty(t, func(c *fakeidp.Config) { c.Algs = algs })
	for _, alg := range algs {
		t.Run(alg, func(t *testing.T) {
			if err := p.idp.PutClient(fakeidp.Client{ID: "crm", Secret: "s3cret", RedirectURIs: []string{callback}, Alg: alg}); err != nil {
				t.Fatal(err)
			}
			claims, err := p.verify(p.quick().ID, jose.SignatureAlgorithm(alg))
			if err != nil {
				t.Fatal(err)
			}
			if claims["sub"] != "u-ann" {
				t.Errorf("claims %v", claims)
			}
		})
	}
}
