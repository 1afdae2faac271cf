package provider_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

// grantOf is what a session keeps of a sign-in.
func grantOf(id identity.Identity) identity.Grant {
	return identity.Grant{Issuer: id.Issuer, Subject: id.Subject, RefreshToken: id.RefreshToken}
}

func revalidate(r identity.Redirector, g identity.Grant) (identity.Identity, error) {
	return r.(identity.Revalidator).Revalidate(context.Background(), g)
}

func TestRevalidate(t *testing.T) {
	p := newParty(t, nil, nil)
	first := p.mustSignIn()
	if first.RefreshToken == "" {
		t.Fatal("no refresh token although the provider lists offline_access")
	}
	if err := p.idp.UpdateUser("ann", func(u *fakeidp.User) { u.Groups, u.Name = []string{"board"}, "Ann Berg" }); err != nil {
		t.Fatal(err)
	}
	second, err := revalidate(p.Redirector, grantOf(first))
	if err != nil {
		t.Fatal(err)
	}
	want := first
	want.Groups, want.Name = []string{"board"}, "Ann Berg"
	if diff := cmp.Diff(want, second, cmpopts.IgnoreFields(identity.Identity{}, "RefreshToken", "IDToken")); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	if second.RefreshToken == "" || second.RefreshToken == first.RefreshToken {
		t.Errorf("the rotated token is not handed back: %q", second.RefreshToken)
	}
	if second.IDToken == "" || second.IDToken == first.IDToken {
		t.Error("the new ID token is not handed back")
	}
	if _, err := revalidate(p.Redirector, grantOf(second)); err != nil {
		t.Errorf("with the rotated token: %v", err)
	}
	for _, r := range p.idp.TokenRequests() {
		if r.Auth != "client_secret_basic" || r.Error != "" {
			t.Errorf("token request: %+v", r)
		}
	}
}

func TestRevalidateWithoutAnything(t *testing.T) {
	p := newParty(t, nil, func(c *provider.Config) { c.Revalidate = 0 })
	id := p.mustSignIn()
	if id.RefreshToken != "" {
		t.Error("a refresh token was asked for although there is no use for it")
	}
	if _, err := revalidate(p.Redirector, grantOf(id)); !errors.Is(err, identity.ErrNothingToAsk) {
		t.Errorf("Revalidate: %v", err)
	}
	if n := len(p.idp.TokenRequests()); n != 1 {
		t.Errorf("the token endpoint was asked %d times", n)
	}
}

func TestRefreshTokenThatNobodyWants(t *testing.T) {
	p := newParty(t, func(c *fakeidp.Config) { c.AlwaysRefresh = true }, func(c *provider.Config) { c.Revalidate = 0 })
	if id := p.mustSignIn(); id.RefreshToken != "" {
		t.Error("a refresh token without use is handed on")
	}
}

func TestRevalidateEnds(t *testing.T) {
	id := func(f func(c map[string]any)) fakeidp.Faults { return fakeidp.Faults{EditIDToken: f} }
	set := func(name string, value any) fakeidp.Faults { return id(func(c map[string]any) { c[name] = value }) }
	noIDToken := func(f fakeidp.Faults) fakeidp.Faults {
		f.EditToken = func(b map[string]any) { delete(b, "id_token") }
		return f
	}
	for _, tt := range []struct {
		name   string
		faults fakeidp.Faults
		before func(*party, *identity.Grant)
		want   string
		kept   bool // the rotated token comes beside the error
	}{
		{name: "revoked", before: func(p *party, _ *identity.Grant) { _ = p.idp.Revoke("ann") }, want: "unauthenticated: invalid_grant"},
		{name: "disabled", before: func(p *party, _ *identity.Grant) {
			_ = p.idp.UpdateUser("ann", func(u *fakeidp.User) { u.Disabled = true })
		}, want: "unauthenticated: invalid_grant"},
		{name: "token of nobody", before: func(_ *party, g *identity.Grant) { g.RefreshToken = "x" }, want: "unauthenticated: invalid_grant"},
		{name: "issuer was another", before: func(_ *party, g *identity.Grant) { g.Issuer += "/" }, want: "unauthenticated: grant_issuer"},
		{name: "503", faults: fakeidp.Faults{Token: fakeidp.Trouble{Status: 503}}, want: "unavailable: provider_unreachable"},
		{name: "429", faults: fakeidp.Faults{Token: fakeidp.Trouble{Status: 429}}, want: "unavailable: provider_unreachable"},
		{name: "web page", faults: fakeidp.Faults{Token: fakeidp.Trouble{Body: "<p>"}}, want: "unavailable: provider_unreachable"},
		{name: "hangs", faults: fakeidp.Faults{Token: fakeidp.Trouble{Hang: true}}, want: "unavailable: provider_unreachable"},
		{name: "client refused", before: func(p *party, _ *identity.Grant) {
			_ = p.idp.PutClient(fakeidp.Client{ID: "crm", Secret: "changed", RedirectURIs: []string{redirectURI}})
		}, want: "unavailable: client_refused"},
		{name: "sub of another", faults: set("sub", "u-bob"), want: "unauthenticated: token_subject", kept: true},
		{name: "iss wrong", faults: set("iss", "https://login.evil.example"), want: "unauthenticated: token_refused", kept: true},
		{name: "aud wrong", faults: set("aud", "other"), want: "unauthenticated: token_refused", kept: true},
		{name: "azp wrong", faults: set("azp", "other"), want: "unauthenticated: token_azp", kept: true},
		{name: "logout token", faults: set("events", map[string]any{}), want: "unauthenticated: token_kind", kept: true},
		{name: "signature broken", faults: fakeidp.Faults{Signing: fakeidp.SignBroken}, want: "unauthenticated: token_refused", kept: true},
		{name: "groups over the limit", faults: id(func(c map[string]any) { delete(c, "groups"); c["hasgroups"] = true }), want: "forbidden: groups_overage", kept: true},
		{name: "no ID token", faults: noIDToken(fakeidp.Faults{}), want: "signed in"},
		{name: "no ID token, userinfo of another", want: "unauthenticated: userinfo_subject", kept: true,
			faults: noIDToken(fakeidp.Faults{EditUserinfo: func(c map[string]any) { c["sub"] = "u-bob" }})},
		{name: "no ID token, no userinfo", want: "unavailable: provider_unreachable", kept: true,
			faults: noIDToken(fakeidp.Faults{Userinfo: fakeidp.Trouble{Status: 503}})},
		{name: "old nonce again", faults: set("nonce", nonce), want: "signed in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, nil, nil)
			g := grantOf(p.mustSignIn())
			if tt.before != nil {
				tt.before(p, &g)
			}
			p.idp.SetFaults(tt.faults)
			got, err := revalidate(p.Redirector, g)
			if refusal(err) != tt.want {
				t.Errorf("Revalidate: %s, want %s (%v)", refusal(err), tt.want, err)
			}
			if err == nil {
				return
			}
			wantPlain(t, err, "invalid_grant", "u-bob")
			if (got.RefreshToken != "") != tt.kept {
				t.Errorf("the rotated token beside the error: %q, want one: %v", got.RefreshToken, tt.kept)
			}
			got.RefreshToken = ""
			if diff := cmp.Diff(identity.Identity{}, got); diff != "" {
				t.Errorf("an identity came beside the error:\n%s", diff)
			}
		})
	}
}

func TestRevalidateWhileTheKeysCannotBeHad(t *testing.T) {
	p := newParty(t, nil, nil)
	g := grantOf(p.mustSignIn())
	if err := p.idp.RotateKeys(false); err != nil {
		t.Fatal(err)
	}
	p.idp.SetFaults(fakeidp.Faults{Keys: fakeidp.Trouble{Status: 503}})
	got, err := revalidate(p.Redirector, g)
	if !fault.Is(err, fault.Unavailable) || got.RefreshToken == "" {
		t.Fatalf("Revalidate: %v, with a token: %v", err, got.RefreshToken != "")
	}
	p.idp.SetFaults(fakeidp.Faults{})
	p.clock.advance(10 * time.Second)
	g.RefreshToken = got.RefreshToken
	if _, err := revalidate(p.Redirector, g); err != nil {
		t.Errorf("afterwards, with the token that came beside the error: %v", err)
	}
}

func TestOfflineAccess(t *testing.T) {
	scopes := func(listed ...string) fakeidp.Faults {
		return fakeidp.Faults{EditDiscovery: func(m map[string]any) { m["scopes_supported"] = listed }}
	}
	for _, tt := range []struct {
		name   string
		faults fakeidp.Faults
		change func(*provider.Config)
		want   string
	}{
		{"listed", fakeidp.Faults{}, nil, "openid profile email offline_access"},
		{"not listed", scopes("openid"), nil, "openid profile email"},
		{"no use for it", fakeidp.Faults{}, func(c *provider.Config) { c.Revalidate = 0 }, "openid profile email"},
		{"asked for by the administrator", scopes("openid"), func(c *provider.Config) { c.Scopes = []string{"offline_access"} }, "openid profile email offline_access"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, nil, tt.change)
			p.idp.SetFaults(tt.faults)
			if _, err := p.respond(p); err != nil {
				t.Fatal(err)
			}
			if got := p.idp.LastRequest().Get("scope"); got != tt.want {
				t.Errorf("scope = %q, want %q", got, tt.want)
			}
		})
	}
}
