package provider_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

const apiAudience = "api://crm"

func openAPI(c *provider.Config) {
	c.API = provider.APIConfig{Audiences: []string{"api://other", apiAudience}, Clients: []provider.APIClientConfig{
		{ID: "crm", Account: "robot@example.test"}, {ID: "public", Subject: "service-7", Account: "sync"},
	}}
}

func TestVerifyBearer(t *testing.T) {
	p := newParty(t, nil, openAPI)
	v := p.Redirector.(identity.TokenVerifier)
	claim := func(name string, value any) func(map[string]any) { return func(c map[string]any) { c[name] = value } }
	without := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for _, tc := range []struct {
		name, client, subject string
		edit                  func(map[string]any)
		signing               fakeidp.Signing
		refused               string
		service               string
		groups                []string
	}{
		{name: "of a person", subject: "u-ann", groups: []string{"sales, north", "staff"}},
		{name: "several audiences", subject: "u-ann", edit: claim("aud", []string{"x", apiAudience}), groups: []string{"sales, north", "staff"}},
		{name: "no groups", subject: "u-ann", edit: without("groups")},
		{name: "a minute past its end", subject: "u-ann", edit: claim("exp", in(-time.Minute)), groups: []string{"sales, north", "staff"}},
		{name: "a client's own", subject: "crm", service: "robot@example.test"},
		{name: "a client's own, another subject", client: "public", subject: "service-7", service: "sync"},
		{name: "a person with a client that has an account", client: "public", subject: "u-ann", groups: []string{"sales, north", "staff"}},
		{name: "another client with a client's subject", client: "public", subject: "crm"},
		{name: "groups too many to send", subject: "u-ann", edit: func(c map[string]any) { delete(c, "groups"); c["hasgroups"] = true }, refused: "forbidden: groups_overage"},
		{name: "ended", subject: "u-ann", edit: claim("exp", in(-10*time.Minute)), refused: "unauthenticated: token_expired"},
		{name: "without end", subject: "u-ann", edit: without("exp"), refused: "unauthenticated: token_expired"},
		{name: "not yet", subject: "u-ann", edit: claim("nbf", in(time.Hour)), refused: "unauthenticated: token_iat"},
		{name: "issued tomorrow", subject: "u-ann", edit: claim("iat", in(time.Hour)), refused: "unauthenticated: token_iat"},
		{name: "another audience", subject: "u-ann", edit: claim("aud", "crm"), refused: "unauthenticated: token_audience"},
		{name: "no audience", subject: "u-ann", edit: without("aud"), refused: "unauthenticated: token_audience"},
		{name: "audience that begins alike", subject: "u-ann", edit: claim("aud", apiAudience+"/x"), refused: "unauthenticated: token_audience"},
		{name: "another issuer", subject: "u-ann", edit: claim("iss", "https://evil.test"), refused: "unauthenticated: token_issuer"},
		{name: "no subject", subject: "u-ann", edit: without("sub"), refused: "unauthenticated: token_subject"},
		{name: "long subject", subject: strings.Repeat("x", 300), refused: "unauthenticated: token_subject"},
		{name: "a logout token", subject: "u-ann", edit: claim("events", map[string]any{}), refused: "unauthenticated: token_kind"},
		{name: "an ID token", subject: "u-ann", edit: claim("at_hash", "x"), refused: "unauthenticated: token_kind"},
		{name: "alg none", subject: "u-ann", signing: fakeidp.SignNone, refused: "unauthenticated: token_malformed"},
		{name: "HS256 with the secret", subject: "u-ann", signing: fakeidp.SignHS256Secret, refused: "unauthenticated: token_malformed"},
		{name: "HS256 with the public key", subject: "u-ann", signing: fakeidp.SignHS256PublicKey, refused: "unauthenticated: token_malformed"},
		{name: "a foreign key", subject: "u-ann", signing: fakeidp.SignForeignKey, refused: "unauthenticated: token_refused"},
		{name: "a key in the header", subject: "u-ann", signing: fakeidp.SignHeaderJWK, refused: "unauthenticated: token_refused"},
		{name: "an address in the header", subject: "u-ann", signing: fakeidp.SignHeaderJKU, refused: "unauthenticated: token_refused"},
		{name: "broken", subject: "u-ann", signing: fakeidp.SignBroken, refused: "unauthenticated: token_refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p.idp.SetFaults(fakeidp.Faults{Signing: tc.signing})
			client := tc.client
			if client == "" {
				client = "crm"
			}
			raw, err := p.idp.AccessToken(client, tc.subject, apiAudience, tc.edit)
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.VerifyBearer(context.Background(), raw)
			if tc.refused != "" {
				if refusal(err) != tc.refused {
					t.Errorf("%s, want %s", refusal(err), tc.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(refusal(err), err)
			}
			if got.Identity.Subject != tc.subject || got.Identity.Issuer != p.idp.Issuer() || got.Identity.Provider != "contoso" || got.Service != tc.service {
				t.Errorf("%+v", got)
			}
			if diff := cmp.Diff(tc.groups, got.Identity.Groups); diff != "" && tc.service == "" {
				t.Error(diff)
			}
			if got.Expires.IsZero() || got.Identity.Email != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestIssuedBearer(t *testing.T) {
	p := newParty(t, nil, openAPI)
	ours, err := p.idp.AccessToken("crm", "u-ann", apiAudience, nil)
	if err != nil {
		t.Fatal(err)
	}
	crm, _ := p.idp.AccessToken("crm", "u-ann", "api://the-crm-itself", nil)
	foreign, _ := p.idp.AccessToken("crm", "u-ann", apiAudience, func(c map[string]any) { c["iss"] = "https://other.test" })
	v, closed := p.Redirector.(identity.TokenVerifier), p.open(nil).(identity.TokenVerifier)
	for _, tc := range []struct {
		name, raw string
		by        identity.TokenVerifier
		want      bool
	}{
		{"ours", ours, v, true}, {"for the CRM itself", crm, v, false}, {"of another issuer", foreign, v, false}, {"no audience is configured", ours, closed, false},
		{"not a JWT", "abc", v, false}, {"two dots", "a.b.c", v, false}, {"no object", "a.bnVsbA.c", v, false}, {"a list", "a.W10.c", v, false}, {"empty", "", v, false},
	} {
		if got := tc.by.IssuedBearer(tc.raw); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// TestBadBearersDoNotFetchKeys is a flood of tokens with a key id that is known, and one with key ids that are not.
func TestBadBearersDoNotFetchKeys(t *testing.T) {
	p := newParty(t, nil, openAPI)
	v := p.Redirector.(identity.TokenVerifier)
	good, err := p.idp.AccessToken("crm", "u-ann", apiAudience, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.VerifyBearer(context.Background(), good); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		signing fakeidp.Signing
		most    int
	}{{"known key id", fakeidp.SignBroken, 0}, {"unknown key ids", fakeidp.SignUnknownKid, 10}} {
		before := p.idp.Calls("jwks")
		p.idp.SetFaults(fakeidp.Faults{Signing: tc.signing})
		for range 50 {
			raw, err := p.idp.AccessToken("crm", "u-ann", apiAudience, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.VerifyBearer(context.Background(), raw); !fault.Is(err, fault.Unauthenticated) {
				t.Fatal(err)
			}
		}
		if n := p.idp.Calls("jwks") - before; n > tc.most {
			t.Errorf("%s: 50 bad tokens fetched the keys %d times, want at most %d", tc.name, n, tc.most)
		}
	}
	p.idp.SetFaults(fakeidp.Faults{})
	p.clock.advance(time.Second)
	if err := p.idp.RotateKeys(false); err != nil {
		t.Fatal(err)
	}
	fresh, _ := p.idp.AccessToken("crm", "u-ann", apiAudience, nil)
	if _, err := v.VerifyBearer(context.Background(), fresh); err != nil {
		t.Errorf("a token of the provider's new key, after the flood: %v", err)
	}
}

func TestBearerOfProviderThatIsDown(t *testing.T) {
	p := newParty(t, nil, openAPI)
	raw, err := p.idp.AccessToken("crm", "u-ann", apiAudience, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.idp.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err = p.Redirector.(identity.TokenVerifier).VerifyBearer(context.Background(), raw)
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v, want unavailable", err)
	}
}

func TestValidateAPI(t *testing.T) {
	with := func(kind, clientID string, api provider.APIConfig) (c provider.Config) {
		c.Type, c.ClientID, c.API = kind, clientID, api
		return c
	}
	for _, tc := range []struct {
		name string
		cfg  provider.Config
		want []string
	}{
		{"good", with("oidc", "crm", provider.APIConfig{Audiences: []string{"api://crm"}, Clients: []provider.APIClientConfig{{ID: "a", Account: "b"}}}), nil},
		{"the client id", with("oidc", "crm", provider.APIConfig{Audiences: []string{"", "crm"}}), []string{"api.audiences[0]", "api.audiences[1]"}},
		{"half a client", with("oidc", "", provider.APIConfig{Clients: []provider.APIClientConfig{{ID: "a"}}}), []string{"api.clients[0]", "api.audiences"}},
		{"a directory", with("ldap", "", provider.APIConfig{Audiences: []string{"x"}}), []string{"api"}},
	} {
		var got []string
		for _, p := range tc.cfg.Validate() {
			if p.Path == "api" || strings.HasPrefix(p.Path, "api.") {
				got = append(got, p.Path)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}
