package provider_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

// oktaEndpoint is the address that Okta is told.
const oktaEndpoint = "https://crm.example.test/_gate/logout/universal/contoso"

func newOkta(t *testing.T, change func(*provider.Config)) (*party, identity.UniversalLogoutReceiver) {
	t.Helper()
	p := newParty(t, nil, nil)
	p.Redirector = p.open(func(c *provider.Config) {
		c.Type = "okta"
		if change != nil {
			change(c)
		}
	})
	return p, p.Redirector.(identity.UniversalLogoutReceiver)
}

func TestUniversalLogout(t *testing.T) {
	p, okta := newOkta(t, nil)
	issuer := p.idp.Issuer()
	body := fmt.Sprintf(`{"sub_id":{"format":"iss_sub","iss":%q,"sub":"u-ann"}}`, issuer)
	claim := func(name string, value any) func(map[string]any) { return func(c map[string]any) { c[name] = value } }
	tests := []struct {
		name   string
		typ    string
		edit   func(map[string]any)
		body   string
		faults fakeidp.Faults
		want   string // who, or how it is refused
	}{
		{"issuer and subject", "global-token-revocation+jwt", nil, body, fakeidp.Faults{}, "u-ann at " + issuer},
		{"another type", "JWT", nil, body, fakeidp.Faults{}, "u-ann at " + issuer},
		{"by address", "global-token-revocation+jwt", nil, `{"sub_id":{"format":"email","email":"Ann@Contoso.example"}}`, fakeidp.Faults{}, "ann@contoso.example"},
		{"in an older draft's words", "global-token-revocation+jwt", nil, `{"subject":{"format":"email","email":"ann@contoso.example"}}`, fakeidp.Faults{}, "ann@contoso.example"},
		{"several audiences", "JWT", claim("aud", []string{"x", oktaEndpoint}), body, fakeidp.Faults{}, "u-ann at " + issuer},

		{"for another address", "JWT", claim("aud", oktaEndpoint+"2"), body, fakeidp.Faults{}, "unauthenticated: token_audience"},
		{"for the client, as an ID token is", "JWT", claim("aud", "crm"), body, fakeidp.Faults{}, "unauthenticated: token_audience"},
		{"no audience", "JWT", claim("aud", nil), body, fakeidp.Faults{}, "unauthenticated: token_audience"},
		{"another issuer", "JWT", claim("iss", "https://evil.example"), body, fakeidp.Faults{}, "unauthenticated: token_issuer"},
		{"over", "JWT", claim("exp", p.clock.now().Add(-5*time.Minute).Unix()), body, fakeidp.Faults{}, "unauthenticated: token_expired"},
		{"without end", "JWT", claim("exp", nil), body, fakeidp.Faults{}, "unauthenticated: token_expired"},
		{"old", "JWT", claim("iat", p.clock.now().Add(-time.Hour).Unix()), body, fakeidp.Faults{}, "unauthenticated: token_iat"},
		{"of tomorrow", "JWT", claim("iat", p.clock.now().Add(24*time.Hour).Unix()), body, fakeidp.Faults{}, "unauthenticated: token_iat"},
		{"not yet", "JWT", claim("nbf", p.clock.now().Add(time.Hour).Unix()), body, fakeidp.Faults{}, "unauthenticated: token_iat"},
		{"without a name of its own", "JWT", claim("jti", nil), body, fakeidp.Faults{}, "unauthenticated: token_id"},
		{"a logout token", "logout+jwt", nil, body, fakeidp.Faults{}, "unauthenticated: token_refused"},
		{"with events", "JWT", claim("events", map[string]any{}), body, fakeidp.Faults{}, "unauthenticated: token_kind"},
		{"unsigned", "JWT", nil, body, fakeidp.Faults{Signing: fakeidp.SignNone}, "unauthenticated: token_refused"},
		{"a foreign key", "JWT", nil, body, fakeidp.Faults{Signing: fakeidp.SignForeignKey}, "unauthenticated: token_refused"},
		{"its own key", "JWT", nil, body, fakeidp.Faults{Signing: fakeidp.SignHeaderJWK}, "unauthenticated: token_refused"},

		{"nobody", "JWT", nil, `{}`, fakeidp.Faults{}, "invalid: revocation_subject"},
		{"no JSON", "JWT", nil, `sub=ann`, fakeidp.Faults{}, "invalid: revocation_subject"},
		{"somebody of another issuer", "JWT", nil, `{"sub_id":{"format":"iss_sub","iss":"https://evil.example","sub":"u-ann"}}`, fakeidp.Faults{}, "invalid: revocation_subject"},
		{"no subject", "JWT", nil, fmt.Sprintf(`{"sub_id":{"format":"iss_sub","iss":%q}}`, issuer), fakeidp.Faults{}, "invalid: revocation_subject"},
		{"no address", "JWT", nil, `{"sub_id":{"format":"email","email":"ann"}}`, fakeidp.Faults{}, "invalid: revocation_subject"},
		{"another format", "JWT", nil, `{"sub_id":{"format":"opaque","id":"7"}}`, fakeidp.Faults{}, "invalid: revocation_subject"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.idp.SetFaults(tt.faults)
			now := p.clock.now()
			claims := map[string]any{"iss": issuer, "sub": "crm", "aud": oktaEndpoint, "jti": "j-" + tt.name,
				"iat": now.Unix(), "nbf": now.Add(-5 * time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix()}
			if tt.edit != nil {
				tt.edit(claims)
			}
			bearer, err := p.idp.RevocationToken(tt.typ, claims)
			if err != nil {
				t.Fatal(err)
			}
			out, err := okta.UniversalLogout(context.Background(), bearer, []byte(tt.body))
			got := refusal(err)
			switch {
			case err != nil:
			case out.Subject != "":
				got = out.Subject + " at " + out.Issuer
			default:
				got = out.Email
			}
			if got != tt.want {
				t.Errorf("%s (%v), want %s", got, err, tt.want)
			}
			if err == nil && (out.TokenID == "" || out.Expires.Before(now)) {
				t.Errorf("the token is %q until %s", out.TokenID, out.Expires)
			}
		})
	}
	if _, err := okta.UniversalLogout(context.Background(), "", []byte(body)); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("no token: %v", err)
	}
}

// Where people sign in at one of its authorization servers, the organisation itself signs, and the person is the server's.
func TestUniversalLogoutCustomServer(t *testing.T) {
	p := newParty(t, nil, nil)
	org := p.idp.Issuer()
	r := p.open(func(c *provider.Config) { c.Type, c.Issuer = "okta", org+"/oauth2/default" }).(identity.UniversalLogoutReceiver)
	now := p.clock.now()
	bearer, err := p.idp.RevocationToken("JWT", map[string]any{"iss": org, "aud": oktaEndpoint, "jti": "j", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	for _, iss := range []string{org, org + "/oauth2/default"} {
		out, err := r.UniversalLogout(context.Background(), bearer, fmt.Appendf(nil, `{"sub_id":{"format":"iss_sub","iss":%q,"sub":"u-ann"}}`, iss))
		if err != nil || out.Issuer != org+"/oauth2/default" || out.Subject != "u-ann" {
			t.Errorf("%s: %+v, %v", iss, out, err)
		}
	}
	if err := p.idp.Stop(); err != nil {
		t.Fatal(err)
	}
	fresh := p.open(func(c *provider.Config) { c.Type = "okta" }).(identity.UniversalLogoutReceiver)
	if _, err := fresh.UniversalLogout(context.Background(), bearer, nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Okta is down: %v", err)
	}
}

func TestOktaGroupLimit(t *testing.T) {
	for n, warned := range map[int]bool{99: false, 100: true, 101: true} {
		p := newParty(t, func(c *fakeidp.Config) {
			c.Users[0].Groups = nil
			for i := range n {
				c.Users[0].Groups = append(c.Users[0].Groups, fmt.Sprintf("group-%d", i))
			}
		}, nil)
		log := &bytes.Buffer{}
		c := provider.Config{}.Default()
		c.ID, c.Type, c.Issuer, c.ClientID, c.ClientSecret = "contoso", "okta", p.idp.Issuer(), "crm", "s3cret & so/on"
		opened, err := provider.Open(c, provider.Env{RedirectURI: redirectURI, Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		id, err := p.signInWith(opened.(identity.Redirector))
		if err != nil || len(id.Groups) != n {
			t.Fatalf("%d groups: %v", len(id.Groups), err)
		}
		if strings.Contains(log.String(), "groups may be missing") != warned {
			t.Errorf("%d groups: log %q", n, log)
		}
	}
}
