package provider_test

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

// backChannel sends a logout token of the fake provider to the entry.
func (p *party) backChannel(subject, sid string, edit func(map[string]any)) (identity.Logout, error) {
	p.t.Helper()
	raw, err := p.idp.LogoutToken("crm", subject, sid, edit)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.Redirector.(identity.LogoutReceiver).BackChannel(context.Background(), raw)
}

func TestLogoutTokens(t *testing.T) {
	p := newParty(t, nil, nil)
	set := func(name string, value any) func(map[string]any) { return func(c map[string]any) { c[name] = value } }
	drop := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	move := func(seconds int64, names ...string) func(map[string]any) {
		return func(c map[string]any) {
			for _, n := range names {
				c[n] = c[n].(int64) + seconds
			}
		}
	}
	for _, tt := range []struct {
		name, sub, sid string
		edit           func(map[string]any)
		signing        fakeidp.Signing
		typ            string // in place of logout+jwt; "-" leaves it out
		want           string // "" is good
	}{
		{name: "session", sid: "s-1"},
		{name: "person", sub: "u-ann"},
		{name: "both", sub: "u-ann", sid: "s-1"},
		{name: "typ JWT", sub: "u-ann", typ: "JWT"},
		{name: "typ absent", sub: "u-ann", typ: "-"},
		{name: "typ with its full name", sub: "u-ann", typ: "application/Logout+JWT"},
		{name: "typ of an access token", sub: "u-ann", typ: "at+jwt", want: "token_refused"},
		{name: "typ of an event", sub: "u-ann", typ: "secevent+jwt", want: "token_refused"},
		{name: "two minutes old", sub: "u-ann", edit: move(-120, "iat")},
		{name: "half a minute ahead", sub: "u-ann", edit: move(30, "iat", "exp")},
		{name: "aud a list", sub: "u-ann", edit: func(c map[string]any) { c["aud"] = []any{"other", "crm"} }},
		{name: "ten minutes old", sub: "u-ann", edit: move(-600, "iat"), want: "token_iat"},
		{name: "an hour ahead", sub: "u-ann", edit: move(3600, "iat", "exp"), want: "token_iat"},
		{name: "iat missing", sub: "u-ann", edit: drop("iat"), want: "token_iat"},
		{name: "iat in capitals", sub: "u-ann", edit: func(c map[string]any) { c["IAT"] = c["iat"]; delete(c, "iat") }, want: "token_iat"},
		{name: "expired", sub: "u-ann", edit: move(-600, "exp"), want: "token_expired"},
		{name: "exp missing", sub: "u-ann", edit: drop("exp"), want: "token_refused"},
		{name: "jti missing", sub: "u-ann", edit: drop("jti"), want: "token_refused"},
		{name: "jti empty", sub: "u-ann", edit: set("jti", ""), want: "token_refused"},
		{name: "jti a number", sub: "u-ann", edit: set("jti", 7), want: "token_refused"},
		{name: "jti endless", sub: "u-ann", edit: set("jti", strings.Repeat("x", 600)), want: "token_malformed"},
		{name: "iss wrong", sub: "u-ann", edit: set("iss", "https://login.evil.example"), want: "token_refused"},
		{name: "iss missing", sub: "u-ann", edit: drop("iss"), want: "token_refused"},
		{name: "aud wrong", sub: "u-ann", edit: set("aud", "other"), want: "token_refused"},
		{name: "aud missing", sub: "u-ann", edit: drop("aud"), want: "token_refused"},
		{name: "neither sub nor sid", want: "token_refused"},
		{name: "sub empty beside sid", sid: "s-1", edit: set("sub", ""), want: "token_malformed"},
		{name: "nonce", sub: "u-ann", edit: set("nonce", "n"), want: "token_refused"},
		{name: "nonce empty", sub: "u-ann", edit: set("nonce", ""), want: "token_refused"},
		{name: "events missing", sub: "u-ann", edit: drop("events"), want: "token_refused"},
		{name: "events a string", sub: "u-ann", edit: set("events", fakeidp.LogoutEvent), want: "token_refused"},
		{name: "another event", sub: "u-ann", edit: set("events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}}), want: "token_refused"},
		{name: "event null", sub: "u-ann", edit: set("events", map[string]any{fakeidp.LogoutEvent: nil}), want: "logout_event"},
		{name: "event a string", sub: "u-ann", edit: set("events", map[string]any{fakeidp.LogoutEvent: "yes"}), want: "logout_event"},
		{name: "an ID token", sub: "u-ann", edit: func(c map[string]any) { delete(c, "events"); delete(c, "jti"); c["nonce"] = "n" }, want: "token_refused"},
		{name: "alg none", sub: "u-ann", signing: fakeidp.SignNone, want: "token_refused"},
		{name: "HS256 under the secret", sub: "u-ann", signing: fakeidp.SignHS256Secret, want: "token_refused"},
		{name: "HS256 under the public key", sub: "u-ann", signing: fakeidp.SignHS256PublicKey, want: "token_refused"},
		{name: "foreign key", sub: "u-ann", signing: fakeidp.SignForeignKey, want: "token_refused"},
		{name: "key in the header", sub: "u-ann", signing: fakeidp.SignHeaderJWK, want: "token_refused"},
		{name: "signature broken", sub: "u-ann", signing: fakeidp.SignBroken, want: "token_refused"},
		{name: "huge", sub: "u-ann", edit: set("padding", strings.Repeat("x", 20<<10)), want: "token_size"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.idp.SetFaults(fakeidp.Faults{Signing: tt.signing, TokenType: tt.typ})
			got, err := p.backChannel(tt.sub, tt.sid, tt.edit)
			if tt.want != "" {
				if refusal(err) != "invalid: "+tt.want {
					t.Errorf("BackChannel: %s, want %s (%v)", refusal(err), tt.want, err)
				}
				wantPlain(t, err, "evil", "nonce")
				return
			}
			if err != nil {
				t.Fatalf("BackChannel: %v", err)
			}
			if left := time.Until(got.Expires); got.TokenID == "" || left < time.Minute || left > 10*time.Minute {
				t.Errorf("the token %q would be remembered for %s", got.TokenID, left)
			}
			got.TokenID, got.Expires = "", time.Time{}
			if diff := cmp.Diff(identity.Logout{Issuer: p.idp.Issuer(), Subject: tt.sub, Session: tt.sid}, got); diff != "" {
				t.Errorf("BackChannel (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogoutTokensThatAreNone(t *testing.T) {
	p := newParty(t, nil, nil)
	receiver := p.Redirector.(identity.LogoutReceiver)
	id := p.mustSignIn()
	for name, raw := range map[string]string{
		"nothing": "", "no parts": "x", "dots": strings.Repeat(".", 10_000), "an ID token": id.IDToken, "encrypted": "a.b.c.d.e",
	} {
		if _, err := receiver.BackChannel(context.Background(), raw); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A logout token is no ID token either; TestBadIDTokensAreRefused has that side.
}

func TestLogoutTokensOfStrangersAskForFewKeys(t *testing.T) {
	p := newParty(t, nil, nil)
	p.mustSignIn()
	before := p.idp.Calls(fakeidp.EndpointKeys)
	p.idp.SetFaults(fakeidp.Faults{Signing: fakeidp.SignUnknownKid})
	for range 50 {
		if _, err := p.backChannel("u-ann", "", nil); !fault.Is(err, fault.Invalid) {
			t.Fatalf("BackChannel: %v", err)
		}
	}
	if n := p.idp.Calls(fakeidp.EndpointKeys) - before; n > 10 {
		t.Errorf("50 bad tokens caused %d fetches", n)
	}
}

func TestLogoutTokenWhileTheProviderIsDown(t *testing.T) {
	p := newParty(t, nil, nil)
	p.idp.SetFaults(fakeidp.Faults{Keys: fakeidp.Trouble{Status: 503}})
	if _, err := p.backChannel("u-ann", "", nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("BackChannel without keys: %v", err)
	}
}

func TestFrontChannelLogout(t *testing.T) {
	p := newParty(t, nil, nil)
	entra := p.open(func(c *provider.Config) { c.Type, c.TenantID = "entra", tenant })
	iss := p.idp.Issuer()
	for _, tt := range []struct {
		name   string
		params url.Values
		oidc   bool
		entra  bool
	}{
		{"issuer and session", url.Values{"iss": {iss}, "sid": {"s-1"}}, true, true},
		{"session alone", url.Values{"sid": {"s-1"}}, false, true},
		{"issuer alone", url.Values{"iss": {iss}}, false, false},
		{"another issuer", url.Values{"iss": {iss + "/"}, "sid": {"s-1"}}, false, false},
		{"empty issuer", url.Values{"iss": {""}, "sid": {"s-1"}}, false, false},
		{"empty session", url.Values{"iss": {iss}, "sid": {""}}, false, false},
		{"two sessions", url.Values{"iss": {iss}, "sid": {"s-1", "s-2"}}, false, false},
		{"endless session", url.Values{"iss": {iss}, "sid": {strings.Repeat("x", 600)}}, false, false},
		{"nothing", nil, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range []struct {
				r    identity.Redirector
				good bool
			}{{p.Redirector, tt.oidc}, {entra, tt.entra}} {
				got, err := c.r.(identity.LogoutReceiver).FrontChannel(tt.params)
				if c.good {
					if diff := cmp.Diff(identity.Logout{Issuer: iss, Session: "s-1"}, got); err != nil || diff != "" {
						t.Errorf("FrontChannel: %v (-want +got):\n%s", err, diff)
					}
				} else if !fault.Is(err, fault.Invalid) {
					t.Errorf("FrontChannel: %+v, %v", got, err)
				}
			}
		})
	}
}

func TestLogoutHint(t *testing.T) {
	payload := func(s string) string { return "h." + base64.RawURLEncoding.EncodeToString([]byte(s)) + ".s" }
	p := newParty(t, nil, nil)
	for _, tt := range []struct{ name, token, want string }{
		{"none", "", ""},
		{"a token without one", payload(`{"sub":"1"}`), ""},
		{"a token with one", payload(`{"login_hint":"O.CiQ+/="}`), "O.CiQ+/="},
		{"no text", payload(`{"login_hint":7}`), ""},
		{"no token", "x.y", ""},
		{"too long", payload(`{"login_hint":"` + strings.Repeat("x", 600) + `"}`), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to, err := p.Redirector.(identity.SignOuter).SignOutURL(t.Context(), identity.SignOut{IDToken: tt.token, ReturnTo: signedOut})
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(to)
			if err != nil || u.Query().Get("logout_hint") != tt.want {
				t.Errorf("SignOutURL = %s (%v), want logout_hint %q", to, err, tt.want)
			}
		})
	}
}
