package provider_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fakeidp"
	"crmgate/internal/provider"
)

// annObject is Ann in the tenant.
const annObject = "5a5a5a5a-6b6b-7c7c-8d8d-9e9e9e9e9e9e"

// newEntra starts a tenant in which Ann is in too many groups for a token.
func newEntra(t *testing.T, v fakeidp.Vendor, change func(*provider.Config)) *party {
	t.Helper()
	p := newParty(t, func(c *fakeidp.Config) {
		c.Users[0].Groups = []string{"g-1", "g-2", "g-3", "g-4", "g-5"}
		c.Users[0].Claims = map[string]any{"oid": annObject, "tid": tenant}
	}, nil)
	v.Overage = true
	p.idp.SetVendor(v)
	p.Redirector = p.open(func(c *provider.Config) {
		c.Type, c.TenantID = "entra", tenant
		c.GroupsAPI.URL = p.idp.Issuer() + "/graph"
		if change != nil {
			change(c)
		}
	})
	return p
}

func TestEntraOverage(t *testing.T) {
	all := []string{"g-1", "g-2", "g-3", "g-4", "g-5"}
	tests := []struct {
		name   string
		vendor fakeidp.Vendor
		change func(*provider.Config)
		want   []string
		refuse string
	}{
		{"in the person's name", fakeidp.Vendor{}, nil, all, ""},
		{"in the application's name", fakeidp.Vendor{NoPersonalGraph: true}, nil, all, ""},
		{"one page", fakeidp.Vendor{PageSize: 99}, nil, all, ""},
		{"by another name", fakeidp.Vendor{}, func(c *provider.Config) { c.Groups.Name = "displayName" },
			[]string{"Team g-1", "Team g-2", "Team g-3", "Team g-4", "Team g-5"}, ""},
		{"by a name that some have", fakeidp.Vendor{}, func(c *provider.Config) { c.Groups.Name = "onPremisesSamAccountName" }, all, ""},
		{"filtered and renamed", fakeidp.Vendor{}, func(c *provider.Config) {
			c.Groups.Allow, c.Groups.Map = []string{"g-5"}, []provider.GroupMap{{From: "g-5", To: "crm-admins"}}
		}, []string{"crm-admins"}, ""},
		{"not allowed to ask", fakeidp.Vendor{NoPersonalGraph: true, NoApplicationGraph: true}, nil, nil, "forbidden: groups_overage"},
		{"asking switched off", fakeidp.Vendor{}, func(c *provider.Config) { c.GroupsAPI.Source = "none" }, nil, "forbidden: groups_overage"},
		{"Graph is down", fakeidp.Vendor{Groups: fakeidp.Trouble{Status: 503}}, nil, nil, "unavailable: groups_unreachable"},
		{"Graph is busy", fakeidp.Vendor{Groups: fakeidp.Trouble{Status: 429}}, nil, nil, "unavailable: groups_unreachable"},
		{"Graph hangs", fakeidp.Vendor{Groups: fakeidp.Trouble{Hang: true}}, nil, nil, "unavailable: groups_unreachable"},
		{"a web page", fakeidp.Vendor{Groups: fakeidp.Trouble{Body: "<html>"}}, nil, nil, "unavailable: groups_unreachable"},
		{"too large", fakeidp.Vendor{Groups: fakeidp.Trouble{Pad: 2 << 20}}, nil, nil, "unavailable: groups_unreachable"},
		{"the next page elsewhere", fakeidp.Vendor{NextPage: "https://evil.example/graph/v1.0/me"}, nil, nil, "forbidden: groups_overage"},
		{"no list", fakeidp.Vendor{EditGroups: func(b map[string]any) { delete(b, "value") }}, nil, nil, "forbidden: groups_overage"},
		{"names that may not be read", fakeidp.Vendor{EditGroups: func(b map[string]any) {
			for _, g := range b["value"].([]map[string]any) {
				g["displayName"] = nil
			}
		}}, func(c *provider.Config) { c.Groups.Name = "displayName" }, nil, "forbidden: groups_overage"},
		{"app roles are in the token", fakeidp.Vendor{NoPersonalGraph: true, NoApplicationGraph: true}, func(c *provider.Config) { c.Claims.Groups = "roles" }, []string{"CRM.Admin"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newEntra(t, tt.vendor, tt.change)
			p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) { c["roles"] = []string{"CRM.Admin"} }})
			id, err := p.signIn()
			if tt.refuse != "" {
				if got := refusal(err); got != tt.refuse {
					t.Errorf("sign-in: %s, want %s", got, tt.refuse)
				}
				wantPlain(t, err, "Graph", "_claim", "g-1")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, id.Groups); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEntraOverageNobody(t *testing.T) {
	p := newEntra(t, fakeidp.Vendor{}, nil)
	p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) { c["oid"] = "../../users/somebody" }})
	if _, err := p.signIn(); refusal(err) != "forbidden: groups_overage" {
		t.Errorf("sign-in: %s", refusal(err))
	}
	if n := p.idp.Calls(fakeidp.EndpointGraph); n != 0 {
		t.Errorf("Graph was asked %d times", n)
	}
}

func TestEntraGroupsAreRemembered(t *testing.T) {
	p := newEntra(t, fakeidp.Vendor{PageSize: 99, NoPersonalGraph: true}, nil)
	p.mustSignIn()
	p.mustSignIn()
	asked := p.idp.Calls(fakeidp.EndpointGraph)
	if asked != 2 { // in the person's name, then in the application's
		t.Errorf("Graph was asked %d times for two sign-ins", asked)
	}
	if err := p.idp.UpdateUser("ann", func(u *fakeidp.User) { u.Groups = []string{"g-9"} }); err != nil {
		t.Fatal(err)
	}
	p.clock.advance(4 * time.Minute)
	if id := p.mustSignIn(); len(id.Groups) != 1 || id.Groups[0] != "g-9" {
		t.Errorf("four minutes later: %q", id.Groups)
	}
	var tokens int
	for _, r := range p.idp.TokenRequests() {
		if r.GrantType == "client_credentials" {
			tokens++
		}
	}
	if tokens != 1 {
		t.Errorf("%d tokens were got for the application", tokens)
	}
}

// An administrator reads that a permission is missing and grants it: the next sign-in works, and not only the one in an hour, when the
// application's token ends.
func TestConsentCountsAtOnce(t *testing.T) {
	p := newEntra(t, fakeidp.Vendor{NoPersonalGraph: true, NoApplicationGraph: true}, nil)
	if _, err := p.signIn(); refusal(err) != "forbidden: groups_overage" {
		t.Fatalf("without consent: %s", refusal(err))
	}
	p.idp.SetVendor(fakeidp.Vendor{Overage: true, NoPersonalGraph: true})
	if id := p.mustSignIn(); len(id.Groups) != 5 {
		t.Errorf("after the consent: %q", id.Groups)
	}
}

// Too many pages are an answer that never ends.
func TestEntraGroupsEnd(t *testing.T) {
	p := newEntra(t, fakeidp.Vendor{PageSize: 1}, nil)
	if err := p.idp.UpdateUser("ann", func(u *fakeidp.User) {
		for i := range 200 {
			u.Groups = append(u.Groups, "h-"+strconv.Itoa(i))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.signIn(); refusal(err) != "forbidden: groups_overage" {
		t.Errorf("sign-in: %s", refusal(err))
	}
}
