package provider_test

import (
	"testing"

	"crmgate/internal/fakeidp"
	"crmgate/internal/provider"
)

func TestSignedUserinfo(t *testing.T) {
	lists := func(algs ...string) func(map[string]any) {
		return func(m map[string]any) { m["userinfo_signing_alg_values_supported"] = algs }
	}
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	withoutGroups := func(c map[string]any) { delete(c, "groups") }
	for _, tt := range []struct {
		name   string
		faults fakeidp.Faults
		want   string
	}{
		{"good", fakeidp.Faults{}, "signed in"},
		{"listed", fakeidp.Faults{EditDiscovery: lists("ES256")}, "signed in"},
		{"not listed", fakeidp.Faults{EditDiscovery: lists("RS256")}, "unauthenticated: token_refused"},
		{"only none listed", fakeidp.Faults{EditDiscovery: lists("none")}, "unauthenticated: token_refused"},
		{"without issuer and audience", fakeidp.Faults{EditUserinfo: func(c map[string]any) { delete(c, "iss"); delete(c, "aud") }}, "signed in"},
		{"another issuer", fakeidp.Faults{EditUserinfo: set("iss", "https://login.evil.example")}, "unauthenticated: userinfo_issuer"},
		{"another audience", fakeidp.Faults{EditUserinfo: set("aud", []string{"other"})}, "unauthenticated: userinfo_audience"},
		{"audience a list", fakeidp.Faults{EditUserinfo: set("aud", []string{"other", "crm"})}, "signed in"},
		{"audience a number", fakeidp.Faults{EditUserinfo: set("aud", 7)}, "unauthenticated: userinfo_audience"},
		{"another person", fakeidp.Faults{EditUserinfo: set("sub", "u-bob")}, "unauthenticated: userinfo_subject"},
		{"an event", fakeidp.Faults{EditUserinfo: set("events", map[string]any{})}, "unauthenticated: token_kind"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, func(c *fakeidp.Config) { c.Clients[0].SignedUserinfo = true }, func(c *provider.Config) { c.Claims.Groups = "groups" })
			tt.faults.EditIDToken = withoutGroups
			p.idp.SetFaults(tt.faults)
			id, err := p.signIn()
			if refusal(err) != tt.want {
				t.Errorf("sign-in: %s, want %s (%v)", refusal(err), tt.want, err)
			}
			if err == nil && len(id.Groups) != 2 {
				t.Errorf("groups: %q", id.Groups)
			}
		})
	}
	// The ID token must be good where the userinfo answer is not, so only the second one is signed badly here.
	t.Run("signature broken", func(t *testing.T) {
		p := newParty(t, func(c *fakeidp.Config) { c.Clients[0].SignedUserinfo = true }, func(c *provider.Config) { c.Claims.Groups = "groups" })
		p.idp.SetFaults(fakeidp.Faults{EditIDToken: withoutGroups, UserinfoSigning: fakeidp.SignBroken})
		if _, err := p.signIn(); refusal(err) != "unauthenticated: token_refused" {
			t.Errorf("sign-in: %v", err)
		}
	})
}
