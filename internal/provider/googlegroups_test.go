package provider_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fakeidp"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
	"crmgate/internal/token"
)

// serviceKey is made once: an RSA key takes its time.
var serviceKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// keyFile is a service account's key as Google Cloud writes it.
func keyFile(t *testing.T, tokenURL string) token.Secret {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(serviceKey())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "crm@project.iam.gserviceaccount.com", "private_key_id": "k1", "token_uri": tokenURL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return token.Secret(text)
}

// newGoogle starts an organisation whose groups are asked for.
func newGoogle(t *testing.T, v fakeidp.Vendor, change func(*provider.Config)) *party {
	t.Helper()
	p := newParty(t, func(c *fakeidp.Config) {
		c.Users[0].Groups = []string{"sales", "north", "staff"}
		c.Users[0].Claims = map[string]any{"groups": nil, "hd": "contoso.example"}
		c.Users[0].Email = "ann.o'neil@contoso.example"
	}, nil)
	p.idp.SignInAs("ann.o'neil@contoso.example")
	p.idp.SetVendor(v)
	p.Redirector = p.open(func(c *provider.Config) {
		c.Type, c.Domains = "google", []string{"contoso.example"}
		c.GroupsAPI = provider.GroupsAPIConfig{
			Source: "directory", URL: p.idp.Issuer() + "/google", ServiceAccount: keyFile(t, p.idp.Issuer()+"/google/token"), AdminEmail: "admin@contoso.example",
		}
		if change != nil {
			change(c)
		}
	})
	return p
}

func TestGoogleGroups(t *testing.T) {
	key := fakeidp.Vendor{ServiceKey: serviceKey().Public()}
	with := func(change func(*fakeidp.Vendor)) fakeidp.Vendor { v := key; change(&v); return v }
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"sales@groups.example", "north@groups.example", "staff@groups.example"}
	cloud := func(c *provider.Config) { c.GroupsAPI.Source = "cloud_identity" }
	tests := []struct {
		name   string
		vendor fakeidp.Vendor
		change func(*provider.Config)
		want   []string
		refuse string
	}{
		{"Directory API", key, nil, all, ""},
		{"Cloud Identity API", key, cloud, all, ""},
		{"by name", key, func(c *provider.Config) { c.Groups.Name = "name" }, []string{"Team sales", "Team north", "Team staff"}, ""},
		{"renamed", key, func(c *provider.Config) {
			c.Groups.Map = []provider.GroupMap{{From: "staff@groups.example", To: "crm-admins"}}
		},
			[]string{"sales@groups.example", "north@groups.example", "crm-admins"}, ""},
		{"another key", with(func(v *fakeidp.Vendor) { v.ServiceKey = other.Public() }), nil, nil, "forbidden: groups_unreadable"},
		{"down", with(func(v *fakeidp.Vendor) { v.Groups.Status = 503 }), nil, nil, "unavailable: groups_unreachable"},
		{"edition without it", with(func(v *fakeidp.Vendor) { v.Groups.Status = 403 }), cloud, nil, "forbidden: groups_unreadable"},
		{"a list that is none", with(func(v *fakeidp.Vendor) { v.EditGroups = func(b map[string]any) { b["groups"] = "sales" } }), nil, nil, "forbidden: groups_unreadable"},
		{"a group without a name", with(func(v *fakeidp.Vendor) {
			v.EditGroups = func(b map[string]any) { b["groups"] = []any{map[string]any{"id": "7"}} }
		}), nil, nil,
			"forbidden: groups_unreadable"},
		{"never ending", with(func(v *fakeidp.Vendor) { v.EditGroups = func(b map[string]any) { b["nextPageToken"] = "again" } }), nil, nil, "forbidden: groups_unreadable"},
		{"not asked", fakeidp.Vendor{}, func(c *provider.Config) { c.GroupsAPI = provider.GroupsAPIConfig{} }, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newGoogle(t, tt.vendor, tt.change)
			id, err := p.signIn()
			got := refusal(err)
			if tt.refuse == "" {
				tt.refuse = "signed in"
			}
			if got != tt.refuse {
				t.Fatalf("sign-in: %s (%v), want %s", got, err, tt.refuse)
			}
			if diff := cmp.Diff(tt.want, id.Groups); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
			if n := p.idp.Calls(fakeidp.EndpointUserinfo); n != 0 {
				t.Errorf("userinfo was asked %d times; it has no groups", n)
			}
		})
	}
}

// Nobody in no group is an answer, and somebody whom the directory does not know is not.
func TestGoogleGroupsOfNobody(t *testing.T) {
	p := newGoogle(t, fakeidp.Vendor{ServiceKey: serviceKey().Public()}, nil)
	if err := p.idp.UpdateUser("ann", func(u *fakeidp.User) { u.Groups = []string{} }); err != nil {
		t.Fatal(err)
	}
	if id := p.mustSignIn(); len(id.Groups) != 0 {
		t.Errorf("groups %q", id.Groups)
	}
	p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) { c["sub"] = "somebody-else" }})
	if _, err := p.signIn(); refusal(err) != "forbidden: groups_unreadable" {
		t.Errorf("unknown person: %s", refusal(err))
	}
	if n := p.idp.Calls(fakeidp.EndpointServiceToken); n != 1 {
		t.Errorf("%d tokens were got", n)
	}
}

// crmgate check --online tries the service account, too.
func TestGooglePing(t *testing.T) {
	for name, v := range map[string]fakeidp.Vendor{"delegated": {ServiceKey: serviceKey().Public()}, "not delegated": {}} {
		err := newGoogle(t, v, nil).Redirector.(identity.Pinger).Ping(context.Background())
		if (err == nil) != (name == "delegated") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGoogleRequest(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*provider.Config)
		request identity.AuthRequest
		want    map[string]string
	}{
		{"one domain", nil, identity.AuthRequest{}, map[string]string{"hd": "contoso.example", "access_type": "offline"}},
		{"several domains", func(c *provider.Config) { c.Domains = []string{"contoso.example", "contoso.se"} }, identity.AuthRequest{},
			map[string]string{"hd": "*", "access_type": "offline"}},
		{"never asked again", func(c *provider.Config) { c.Domains, c.Revalidate = []string{"*"}, 0 }, identity.AuthRequest{}, map[string]string{}},
		{"another account", nil, identity.AuthRequest{SelectAccount: true}, map[string]string{"hd": "contoso.example", "access_type": "offline", "prompt": "select_account"}},
		{"afresh", nil, identity.AuthRequest{ForceLogin: true}, map[string]string{"hd": "contoso.example", "access_type": "offline", "prompt": "select_account"}},
		{"asked for consent every time", func(c *provider.Config) { c.Request.Prompt = "consent" }, identity.AuthRequest{},
			map[string]string{"hd": "contoso.example", "access_type": "offline", "prompt": "consent"}},
	}
	p := newParty(t, nil, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := p.open(func(c *provider.Config) {
				c.Type, c.Domains = "google", []string{"contoso.example"}
				if tt.change != nil {
					tt.change(c)
				}
			})
			tt.request.State, tt.request.Nonce, tt.request.Verifier = "s", "n", pkce
			address, err := r.AuthURL(context.Background(), tt.request)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, name := range []string{"hd", "access_type", "prompt"} {
				if u.Query().Has(name) {
					got[name] = u.Query().Get(name)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || strings.Contains(u.Query().Get("scope"), "offline") {
				t.Errorf("request (-want +got):\n%s%s", diff, u.Query().Get("scope"))
			}
		})
	}
}

// Several domains: the claim is what counts, whichever of them it is.
func TestGoogleSeveralDomains(t *testing.T) {
	p := newParty(t, nil, nil)
	r := p.open(func(c *provider.Config) { c.Type, c.Domains = "google", []string{"contoso.example", "contoso.se"} })
	for hd, want := range map[string]string{"contoso.example": "signed in", "contoso.se": "signed in", "fabrikam.example": "forbidden: wrong_organisation", "": "forbidden: wrong_organisation"} {
		p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) { c["hd"] = hd }})
		if _, err := p.signInWith(r); refusal(err) != want {
			t.Errorf("hd %q: %s, want %s", hd, refusal(err), want)
		}
	}
}
