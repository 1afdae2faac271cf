package provider_test

import (
	"errors"
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

const tenant = "0a0a0a0a-1b1b-2c2c-3d3d-4e4e4e4e4e4e"

func TestInfo(t *testing.T) {
	tests := []struct {
		name   string
		change func(*provider.Config)
		want   identity.Info
	}{
		{"entra", func(c *provider.Config) {
			c.Type, c.TenantID, c.Domains, c.LinkByEmail = "entra", strings.ToUpper(tenant), []string{"Contoso.com", "contoso.se"}, "verified"
		}, identity.Info{ID: "p", Kind: "entra", Name: "p", Domains: []string{"contoso.com", "contoso.se"}, Redirects: true,
			Password: identity.PasswordHelp{ResetURL: "https://passwordreset.microsoftonline.com/?whr=contoso.com",
				ChangeURL: "https://mysignins.microsoft.com/security-info/password/change"},
			Trust: identity.Trust{AllowSignUp: true, LinkByEmail: true, OwnsDomains: []string{"contoso.com", "contoso.se"}}}},
		{"entra without a domain", func(c *provider.Config) { c.Type, c.TenantID = "entra", tenant },
			identity.Info{ID: "p", Kind: "entra", Name: "p", Redirects: true,
				Password: identity.PasswordHelp{ResetURL: "https://passwordreset.microsoftonline.com/",
					ChangeURL: "https://mysignins.microsoft.com/security-info/password/change"},
				Trust: identity.Trust{AllowSignUp: true}}},
		{"okta", func(c *provider.Config) {
			c.Type, c.Issuer, c.Emails = "okta", "https://contoso.okta.com/oauth2/default", []string{"Boss@Private.example"}
		}, identity.Info{ID: "p", Kind: "okta", Name: "p", Emails: []string{"boss@private.example"}, Redirects: true,
			Password: identity.PasswordHelp{ResetURL: "https://contoso.okta.com/signin/forgot-password"}, Trust: identity.Trust{AllowSignUp: true}}},
		{"google takes the rest", func(c *provider.Config) { c.Type, c.Domains, c.AllowSignUp = "google", []string{"*"}, false },
			identity.Info{ID: "p", Kind: "google", Name: "p", Domains: []string{"*"}, Redirects: true,
				Password: identity.PasswordHelp{ResetURL: "https://accounts.google.com/signin/recovery"}}},
		{"links of our own", func(c *provider.Config) {
			c.Type, c.Name, c.Password = "google", "Contoso", provider.PasswordConfig{ResetURL: "https://reset.example", ChangeURL: "https://change.example", Help: "Ask."}
		}, identity.Info{ID: "p", Kind: "google", Name: "Contoso", Redirects: true,
			Password: identity.PasswordHelp{ResetURL: "https://reset.example", ChangeURL: "https://change.example", Help: "Ask."},
			Trust:    identity.Trust{AllowSignUp: true}}},
		{"a directory", func(c *provider.Config) { c.Type, c.URLs = "ldap", []string{"ldaps://dc.example"} },
			identity.Info{ID: "p", Kind: "ldap", Name: "p", Trust: identity.Trust{AllowSignUp: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := provider.Config{}.Default()
			c.ID = "p"
			tt.change(&c)
			p, err := provider.Open(c, provider.Env{RedirectURI: redirectURI})
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Revalidate, tt.want.Grace = 5*time.Minute, 24*time.Hour
			if diff := cmp.Diff(tt.want, p.Info()); diff != "" {
				t.Errorf("Info (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []provider.Config{
		{ID: "p", Type: "saml"}, {ID: "p", Type: "oidc", RedirectConfig: provider.RedirectConfig{Issuer: "https://x.example"}, CAFile: "/does/not/exist"}, {ID: "p", Type: "ldap"},
		{ID: "p", Type: "ldap", DirectoryConfig: provider.DirectoryConfig{URLs: []string{"ldap://clear.example"}}},
	} {
		if _, err := provider.Open(c, provider.Env{RedirectURI: redirectURI}); err == nil || !strings.Contains(err.Error(), "open provider p") {
			t.Errorf("Open(%+v) = %v", c, err)
		}
	}
}

func TestEntra(t *testing.T) {
	type seen struct {
		Subject  string
		Verified bool
		Refused  string
	}
	edit := func(set map[string]any) func(map[string]any) {
		return func(c map[string]any) {
			delete(c, "email_verified") // Entra ID does not send it
			for name, v := range set {
				c[name] = v
			}
		}
	}
	tests := []struct {
		name    string
		domains []string
		claims  map[string]any
		want    seen
	}{
		{"object id", []string{"contoso.example"}, map[string]any{"oid": "o-ann", "tid": tenant}, seen{"o-ann", true, ""}},
		{"no tenant claim", []string{"contoso.example"}, map[string]any{"oid": "o-ann"}, seen{"u-ann", true, ""}},
		{"no object id", []string{"contoso.example"}, map[string]any{"tid": tenant}, seen{"u-ann", true, ""}},
		{"another tenant", []string{"contoso.example"}, map[string]any{"oid": "o-ann", "tid": "9188040d-6c67-4c5b-b112-36a304b66dad"},
			seen{"", false, "unauthenticated: wrong_tenant"}},
		{"tenant not a string", nil, map[string]any{"oid": "o-ann", "tid": 7}, seen{"", false, "unauthenticated: wrong_tenant"}},
		{"address of a domain that is not ours", []string{"fabrikam.example"}, map[string]any{"oid": "o-ann", "tid": tenant}, seen{"o-ann", false, ""}},
		{"every domain is not ours", []string{"*"}, map[string]any{"oid": "o-ann", "tid": tenant}, seen{"o-ann", false, ""}},
		{"domain owner verified", nil, map[string]any{"oid": "o-ann", "tid": tenant, "xms_edov": true}, seen{"o-ann", true, ""}},
		{"domain owner verified, as a string", nil, map[string]any{"oid": "o-ann", "tid": tenant, "xms_edov": "1"}, seen{"o-ann", true, ""}},
		{"domain owner verified, in other words", nil, map[string]any{"oid": "o-ann", "tid": tenant, "xms_edov": "yes"}, seen{"o-ann", false, ""}},
		{"expressly not verified", []string{"contoso.example"}, map[string]any{"email_verified": false}, seen{"u-ann", false, ""}},
		{"too many groups", nil, map[string]any{"groups": nil, "hasgroups": true}, seen{"", false, "forbidden: groups_overage"}},
	}
	p := newParty(t, nil, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := p.open(func(c *provider.Config) { c.Type, c.TenantID, c.Domains = "entra", tenant, tt.domains })
			p.idp.SetFaults(fakeidp.Faults{EditIDToken: edit(tt.claims), EditUserinfo: edit(nil)})
			id, err := p.signInWith(r)
			got := seen{Subject: id.Subject, Verified: id.EmailVerified}
			if err != nil {
				got.Refused = refusal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sign-in (-want +got):\n%s", diff)
			}
		})
	}
	for _, r := range p.idp.TokenRequests() {
		if r.Auth != "client_secret_post" {
			t.Errorf("the client authenticated with %s", r.Auth)
		}
	}
}

func TestGoogle(t *testing.T) {
	tests := []struct {
		name    string
		domains []string
		hd      any
		want    string
	}{
		{"ours", []string{"contoso.example"}, "contoso.example", "signed in"},
		{"ours in capitals", []string{"contoso.example"}, "Contoso.Example", "signed in"},
		{"private account", []string{"contoso.example"}, nil, "forbidden: wrong_organisation"},
		{"another organisation", []string{"contoso.example"}, "fabrikam.example", "forbidden: wrong_organisation"},
		{"not a string", []string{"contoso.example"}, []string{"contoso.example"}, "forbidden: wrong_organisation"},
		{"any", []string{"*"}, nil, "signed in"},
		{"no domains", nil, "fabrikam.example", "signed in"},
	}
	p := newParty(t, nil, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := p.open(func(c *provider.Config) { c.Type, c.Domains = "google", tt.domains })
			p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) {
				if tt.hd != nil {
					c["hd"] = tt.hd
				}
			}})
			if _, err := p.signInWith(r); refusal(err) != tt.want {
				t.Errorf("sign-in: %s, want %s", refusal(err), tt.want)
			}
		})
	}
}

func TestGroupsAreChosen(t *testing.T) {
	p := newParty(t, nil, nil)
	p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) {
		c["groups"], c["roles"] = []string{"g1", "g2", "", "g2", "crm-admins"}, []string{"boss"}
	}})
	mapped := []provider.GroupMap{{From: "g1", To: "crm-admins"}, {From: "g1", To: "crm-users"}, {From: "g2", To: "staff"}}
	tests := []struct {
		name   string
		change func(*provider.Config)
		want   []string
	}{
		{"as they come, once each", nil, []string{"g1", "g2", "crm-admins"}},
		{"mapped", func(c *provider.Config) { c.Groups.Map = mapped }, []string{"crm-admins", "crm-users", "staff"}},
		{"filtered", func(c *provider.Config) { c.Groups.Allow = []string{"g2"} }, []string{"g2"}},
		{"filtered before mapped", func(c *provider.Config) { c.Groups.Allow, c.Groups.Map = []string{"g2", "staff"}, mapped }, []string{"staff"}},
		{"another claim", func(c *provider.Config) { c.Claims.Groups = "roles" }, []string{"boss"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := p.signInWith(p.open(tt.change))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, id.Groups); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const hostile = "<script>alert(1)</script>"
	tests := []struct {
		code, description string
		want              string
		entra             string // where it differs
	}{
		{"access_denied", hostile, "forbidden: access_denied", ""},
		{"access_denied", "AADSTS50105: Your administrator has configured " + hostile, "forbidden: access_denied", "forbidden: aadsts_50105"},
		{"access_denied", "AADSTS99999: " + hostile, "forbidden: access_denied", ""},
		{"interaction_required", "AADSTS50057: " + hostile, "unauthenticated: interaction_required", "forbidden: aadsts_50057"},
		{"invalid_client", "AADSTS700016: " + hostile, "unauthenticated: provider_error", "unavailable: aadsts_700016"},
		{"login_required", "", "unauthenticated: login_required", ""},
		{"temporarily_unavailable", "", "unavailable: temporarily_unavailable", ""},
		{"server_error", hostile, "unavailable: server_error", ""},
		{"invalid_scope", hostile, "unavailable: invalid_scope", ""},
		{hostile, hostile, "unauthenticated: provider_error", ""},
		{"", "", "unauthenticated: provider_error", ""},
	}
	p := newParty(t, nil, nil)
	entra := p.open(func(c *provider.Config) { c.Type, c.TenantID = "entra", tenant })
	for _, tt := range tests {
		t.Run(tt.code+" "+tt.description, func(t *testing.T) {
			p.idp.SetFaults(fakeidp.Faults{EditResponse: func(v url.Values) {
				v.Del("code")
				v.Set("error", tt.code)
				v.Set("error_description", tt.description)
			}})
			want := tt.want
			for _, r := range []identity.Redirector{p, entra} {
				_, err := p.signInWith(r)
				if got := refusal(err); got != want {
					t.Errorf("%s: %s, want %s", r.Info().Kind, got, want)
				}
				wantPlain(t, err, "script", "administrator has")
				var f *fault.Error
				if errors.As(err, &f) && f.Next.Path == "" {
					t.Errorf("%q offers nothing to do", f.Sentence)
				}
				if tt.entra != "" {
					want = tt.entra
				}
			}
		})
	}
	if n := len(p.idp.TokenRequests()); n != 0 {
		t.Errorf("the token endpoint was asked %d times", n)
	}
}
