package provider_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

func TestSignIn(t *testing.T) {
	p := newParty(t, nil, nil)
	got := p.mustSignIn()
	want := identity.Identity{
		Provider: "contoso", Issuer: p.idp.Issuer(), Subject: "u-ann", Email: "ann@contoso.example", EmailVerified: true,
		Name: "Ann Lindqvist", Username: "ann", Groups: []string{"sales, north", "staff"}, AMR: []string{"pwd", "otp"},
	}
	ignore := cmpopts.IgnoreFields(identity.Identity{}, "AuthTime", "SessionID", "IDToken", "RefreshToken")
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	if got.SessionID == "" || strings.Count(got.IDToken, ".") != 2 || time.Since(got.AuthTime) > time.Minute {
		t.Errorf("session %q, token %q, authenticated at %s", got.SessionID, got.IDToken, got.AuthTime)
	}
	requests := p.idp.TokenRequests()
	if len(requests) != 1 || requests[0].Verifier != pkce || requests[0].Error != "" {
		t.Errorf("token requests: %+v", requests)
	}
	if n := p.idp.Calls(fakeidp.EndpointUserinfo); n != 0 {
		t.Errorf("userinfo was asked %d times although nothing was missing", n)
	}
}

func TestAuthURL(t *testing.T) {
	tests := []struct {
		name   string
		change func(*provider.Config)
		req    identity.AuthRequest
		want   map[string]string // empty means absent
	}{
		{name: "plain", want: map[string]string{
			"response_type": "code", "client_id": "crm", "redirect_uri": redirectURI, "scope": "openid profile email offline_access", "state": "s", "nonce": "n",
			"code_challenge_method": "S256", "prompt": "", "login_hint": "", "response_mode": "", "client_secret": "",
		}},
		{name: "hint", req: identity.AuthRequest{LoginHint: "ann@contoso.example"}, want: map[string]string{"login_hint": "ann@contoso.example", "prompt": ""}},
		{name: "another account, never with a hint", req: identity.AuthRequest{LoginHint: "ann@contoso.example", SelectAccount: true},
			want: map[string]string{"login_hint": "", "prompt": "select_account"}},
		{name: "afresh", req: identity.AuthRequest{ForceLogin: true}, want: map[string]string{"prompt": "login"}},
		{name: "scopes once", change: func(c *provider.Config) { c.Scopes = []string{"email", "groups"} },
			want: map[string]string{"scope": "openid profile email groups offline_access"}},
		{name: "Okta asks for groups and has no select_account", change: func(c *provider.Config) { c.Type = "okta" },
			req: identity.AuthRequest{SelectAccount: true}, want: map[string]string{"scope": "openid profile email groups offline_access", "prompt": "login"}},
		{name: "Google is told the one domain", change: func(c *provider.Config) { c.Type, c.Domains = "google", []string{"Contoso.example", "*"} },
			want: map[string]string{"hd": "contoso.example"}},
	}
	p := newParty(t, nil, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.req.State, tt.req.Nonce, tt.req.Verifier = "s", "n", pkce
			address, err := p.open(tt.change).AuthURL(context.Background(), tt.req)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			for name, want := range tt.want {
				if got := q.Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			if len(q.Get("code_challenge")) != 43 || strings.Contains(address, pkce) {
				t.Errorf("the challenge of %s is wrong", address)
			}
		})
	}
	for _, req := range []identity.AuthRequest{{Nonce: "n", Verifier: pkce}, {State: "s", Verifier: pkce}, {State: "s", Nonce: "n"}} {
		if _, err := p.AuthURL(context.Background(), req); err == nil {
			t.Errorf("AuthURL takes %+v", req)
		}
	}
}

func TestPromptsThatTheProviderLists(t *testing.T) {
	p := newParty(t, nil, nil)
	p.idp.SetFaults(fakeidp.Faults{EditDiscovery: func(m map[string]any) { m["prompt_values_supported"] = []string{"none", "login"} }})
	address, err := p.AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: "n", Verifier: pkce, SelectAccount: true})
	if err != nil || !strings.Contains(address, "prompt=login") {
		t.Errorf("AuthURL = %q, %v, want prompt=login", address, err)
	}
}

func TestClientAuth(t *testing.T) {
	tests := []struct {
		how, client, secret string
		accepts             string // what the provider takes
		want                string
	}{
		{"client_secret_basic", "crm", "s3cret & so/on", "client_secret_basic", "signed in"},
		{"client_secret_post", "crm", "s3cret & so/on", "client_secret_post", "signed in"},
		{"none", "public", "", "", "signed in"},
		{"client_secret_basic", "crm", "s3cret & so/on", "client_secret_post", "unavailable: client_refused"},
		{"client_secret_post", "crm", "s3cret & so/on", "client_secret_basic", "unavailable: client_refused"},
		{"client_secret_basic", "crm", "wrong", "client_secret_basic", "unavailable: client_refused"},
	}
	for _, tt := range tests {
		t.Run(tt.how+" at "+tt.accepts+" with "+tt.secret, func(t *testing.T) {
			p := newParty(t, func(c *fakeidp.Config) { c.Clients[0].Auth = tt.accepts }, func(c *provider.Config) {
				c.ClientAuth, c.ClientID = tt.how, tt.client
				c.ClientSecret = ""
				if tt.secret != "" {
					c.ClientSecret = "s3cret & so/on"
				}
				if tt.secret == "wrong" {
					c.ClientSecret = "wrong"
				}
			})
			_, err := p.signIn()
			if got := refusal(err); got != tt.want {
				t.Errorf("sign-in: %s, want %s (%v)", got, tt.want, err)
			}
			requests := p.idp.TokenRequests()
			if len(requests) != 1 || requests[0].Auth != tt.how {
				t.Errorf("token requests: %+v, want one with %s", requests, tt.how)
			}
			if err != nil {
				wantPlain(t, err, "secret", "invalid_client")
				if strings.Contains(err.Error(), "s3cret") {
					t.Errorf("the log would show the secret: %v", err)
				}
			}
		})
	}
}

func TestSignOutURL(t *testing.T) {
	p := newParty(t, nil, nil)
	got, err := p.Redirector.(identity.SignOuter).SignOutURL(context.Background(), identity.SignOut{IDToken: "a.b.c", State: "s&t", ReturnTo: signedOut})
	if err != nil {
		t.Fatal(err)
	}
	want := p.idp.Issuer() + "/logout?" + url.Values{
		"client_id": {"crm"}, "id_token_hint": {"a.b.c"}, "post_logout_redirect_uri": {signedOut}, "state": {"s&t"},
	}.Encode()
	if got != want {
		t.Errorf("SignOutURL = %s, want %s", got, want)
	}
	local := p.open(func(c *provider.Config) { c.Logout = "local" })
	if got, err := local.(identity.SignOuter).SignOutURL(context.Background(), identity.SignOut{IDToken: "a.b.c", State: "s&t", ReturnTo: signedOut}); got != "" || err != nil {
		t.Errorf("logout: local leads to %q, %v", got, err)
	}
	p.idp.SetFaults(fakeidp.Faults{EditDiscovery: func(m map[string]any) { delete(m, "end_session_endpoint") }})
	none := p.open(nil)
	if got, err := none.(identity.SignOuter).SignOutURL(context.Background(), identity.SignOut{IDToken: "a.b.c", State: "s&t", ReturnTo: signedOut}); got != "" || err != nil {
		t.Errorf("without an end_session_endpoint: %q, %v", got, err)
	}
}

func TestPing(t *testing.T) {
	p := newParty(t, nil, nil)
	if err := p.Redirector.(identity.Pinger).Ping(context.Background()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	p.idp.SetFaults(fakeidp.Faults{Keys: fakeidp.Trouble{Status: 500}})
	if err := p.open(nil).(identity.Pinger).Ping(context.Background()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Ping without keys: %v", err)
	}
}

func TestCertificates(t *testing.T) {
	idp, err := fakeidp.ListenTLS(fakeidp.Config{Algs: []string{"ES256"}})
	if err != nil {
		t.Fatal(err)
	}
	defer idp.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, idp.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, file, want string }{
		{"trusted", ca, "signed in"},
		{"unknown authority", "", "unavailable: provider_unreachable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := provider.Config{}.Default()
			c.ID, c.Type, c.Issuer, c.ClientID, c.ClientSecret, c.CAFile = "x", "oidc", idp.Issuer(), "crm", "s", tt.file
			r, err := provider.Open(c, provider.Env{RedirectURI: redirectURI})
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.(identity.Redirector).AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: "n", Verifier: pkce})
			if got := refusal(err); got != tt.want {
				t.Errorf("AuthURL: %s, want %s (%v)", got, tt.want, err)
			}
		})
	}
}
