package provider_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

func TestRequestIsPushed(t *testing.T) {
	trouble := func(t fakeidp.Trouble) fakeidp.Faults { return fakeidp.Faults{PAR: t} }
	for _, tt := range []struct {
		name            string
		offers, demands bool
		par             string
		faults          fakeidp.Faults
		change          func(*provider.Config)
		pushes          int
		want            string
	}{
		{name: "offered", offers: true, pushes: 1, want: "signed in"},
		{name: "demanded", demands: true, pushes: 1, want: "signed in"},
		{name: "not offered", want: "signed in"},
		{name: "never", offers: true, par: "never", want: "signed in"},
		{name: "always", offers: true, par: "always", pushes: 1, want: "signed in"},
		{name: "always, not offered", par: "always", want: "unavailable: par_missing"},
		{name: "public client", offers: true, change: func(c *provider.Config) { c.ClientID, c.ClientSecret, c.ClientAuth = "public", "", "none" }, pushes: 1, want: "signed in"},
		{name: "secret in the form", offers: true, change: func(c *provider.Config) { c.ClientAuth = "client_secret_post" }, pushes: 1, want: "signed in"},
		{name: "wrong secret", offers: true, change: func(c *provider.Config) { c.ClientSecret = "wrong" }, pushes: 1, want: "unavailable: client_refused"},
		{name: "offered, down", offers: true, faults: trouble(fakeidp.Trouble{Status: 503}), pushes: 1, want: "signed in"},
		{name: "offered, hangs", offers: true, faults: trouble(fakeidp.Trouble{Hang: true}), pushes: 1, want: "signed in"},
		{name: "offered, a web page", offers: true, faults: trouble(fakeidp.Trouble{Body: "<p>"}), pushes: 1, want: "signed in"},
		{name: "demanded, down", demands: true, faults: trouble(fakeidp.Trouble{Status: 503}), pushes: 1, want: "unavailable: provider_unreachable"},
		{name: "demanded, refused", demands: true, faults: trouble(fakeidp.Trouble{Status: 400}), pushes: 1, want: "unavailable: par_refused"},
		{name: "demanded, answers nonsense", demands: true, faults: trouble(fakeidp.Trouble{Body: "{}"}), pushes: 1, want: "unavailable: provider_unreachable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, func(c *fakeidp.Config) { c.PAR, c.RequirePAR = tt.offers, tt.demands }, func(c *provider.Config) {
				if tt.par != "" {
					c.Request.PAR = tt.par
				}
				if tt.change != nil {
					tt.change(c)
				}
			})
			p.idp.SetFaults(tt.faults)
			if _, err := p.signIn(); refusal(err) != tt.want {
				t.Errorf("sign-in: %s, want %s (%v)", refusal(err), tt.want, err)
			}
			if n := p.idp.Calls(fakeidp.EndpointPAR); n != tt.pushes {
				t.Errorf("%d requests were pushed, want %d", n, tt.pushes)
			}
		})
	}
}

func TestPushedRequestLeavesNothingInTheAddress(t *testing.T) {
	p := newParty(t, func(c *fakeidp.Config) { c.PAR = true }, nil)
	address, err := p.AuthURL(context.Background(), identity.AuthRequest{State: "the-state", Nonce: nonce, Verifier: pkce, LoginHint: "ann@contoso.example"})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); len(q) != 2 || q.Get("client_id") != "crm" || !strings.HasPrefix(q.Get("request_uri"), "urn:") {
		t.Errorf("address: %s", address)
	}
}

func TestRequestParameters(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request provider.RequestConfig
		journey identity.AuthRequest
		want    map[string]string // empty means absent
	}{
		{"none", provider.RequestConfig{}, identity.AuthRequest{}, map[string]string{"prompt": "", "max_age": "", "acr_values": "", "domain_hint": "", "response_mode": ""}},
		{"all", provider.RequestConfig{
			Prompt: "consent", MaxAge: 8 * time.Hour, ACRValues: []string{"phr", "phrh"}, DomainHint: "contoso.com", ResponseMode: "form_post",
			Params: []provider.RequestParam{{Name: "organization", Value: "org 1"}},
		}, identity.AuthRequest{}, map[string]string{
			"prompt": "consent", "max_age": "28800", "acr_values": "phr phrh", "domain_hint": "contoso.com", "response_mode": "form_post", "organization": "org 1",
		}},
		{"another account goes before", provider.RequestConfig{Prompt: "login"}, identity.AuthRequest{SelectAccount: true}, map[string]string{"prompt": "select_account"}},
		{"afresh goes before", provider.RequestConfig{Prompt: "consent"}, identity.AuthRequest{ForceLogin: true}, map[string]string{"prompt": "login"}},
		{"query is the standard", provider.RequestConfig{ResponseMode: "query"}, identity.AuthRequest{}, map[string]string{"response_mode": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, nil, func(c *provider.Config) { c.Request = tt.request })
			tt.journey.State, tt.journey.Nonce, tt.journey.Verifier = "s", "n", pkce
			address, err := p.AuthURL(context.Background(), tt.journey)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range tt.want {
				if got := u.Query().Get(name); got != want || len(u.Query()[name]) > 1 {
					t.Errorf("%s = %q, want %q", name, u.Query()[name], want)
				}
			}
			if p.Info().FormPost != (tt.request.ResponseMode == "form_post") {
				t.Errorf("FormPost = %v", p.Info().FormPost)
			}
		})
	}
}

func TestEndpointWithAQuery(t *testing.T) {
	p := newParty(t, nil, nil)
	p.idp.SetFaults(fakeidp.Faults{EditDiscovery: func(m map[string]any) {
		m["authorization_endpoint"] = m["authorization_endpoint"].(string) + "?p=policy-1"
	}})
	address, err := p.AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: "n", Verifier: pkce})
	if err != nil || strings.Count(address, "?") != 1 || !strings.Contains(address, "p=policy-1") || !strings.Contains(address, "state=s") {
		t.Errorf("AuthURL = %q, %v", address, err)
	}
}

func TestAgeAndStrengthOfTheSignIn(t *testing.T) {
	edit := func(set map[string]any) fakeidp.Faults {
		return fakeidp.Faults{EditIDToken: func(c map[string]any) {
			for name, v := range set {
				c[name] = v
			}
		}}
	}
	now := time.Now().Unix()
	age := provider.RequestConfig{MaxAge: time.Hour}
	acr := provider.RequestConfig{ACRValues: []string{"phr", "phrh"}}
	for _, tt := range []struct {
		name    string
		request provider.RequestConfig
		claims  map[string]any
		want    string
	}{
		{"young enough", age, map[string]any{"auth_time": now - 3500}, "signed in"},
		{"clocks differ by a minute", age, map[string]any{"auth_time": now - 3660}, "signed in"},
		{"too old", age, map[string]any{"auth_time": now - 4000}, "unauthenticated: auth_time"},
		{"no auth_time", age, map[string]any{"auth_time": nil}, "unauthenticated: auth_time"},
		{"auth_time a string", age, map[string]any{"auth_time": "now"}, "unauthenticated: auth_time"},
		{"nobody asked", provider.RequestConfig{}, map[string]any{"auth_time": nil}, "signed in"},
		{"strong", acr, map[string]any{"acr": "phrh"}, "signed in"},
		{"weak", acr, map[string]any{"acr": "pwd"}, "forbidden: acr"},
		{"no acr", acr, nil, "forbidden: acr"},
		{"acr a list", acr, map[string]any{"acr": []string{"phr"}}, "forbidden: acr"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, nil, func(c *provider.Config) { c.Request = tt.request })
			p.idp.SetFaults(edit(tt.claims))
			if _, err := p.signIn(); refusal(err) != tt.want {
				t.Errorf("sign-in: %s, want %s (%v)", refusal(err), tt.want, err)
			}
		})
	}
}

func TestProviderOfAnother(t *testing.T) {
	// The same provider under two entries: a response to one is no response to the other, because the redirect URI differs; and with
	// another provider, because the issuer does (RFC 9207).
	p, other := newParty(t, nil, nil), newParty(t, nil, nil)
	params, err := p.respond(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exchange(context.Background(), identity.Callback{Params: params, Nonce: nonce, Verifier: pkce}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a response of another provider: %v", err)
	}
	if n := len(other.idp.TokenRequests()); n != 0 {
		t.Error("its code was sent to the wrong provider")
	}
}
