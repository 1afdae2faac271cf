package provider_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/provider"
)

func good(kind string) provider.Config {
	c := provider.Config{}.Default()
	c.ID, c.Type = "contoso", kind
	switch kind {
	case "ldap", "active_directory":
		c.URLs, c.BindDN, c.BindPassword = []string{"ldaps://dc.example", "ldaps://[2001:db8::1]:3269"}, "cn=gate,dc=example", "s"
		c.UserBase = "ou=people,dc=example"
		return c
	case "entra":
		c.TenantID = tenant
	case "google":
		c.Domains = []string{"contoso.com"}
	case "oidc", "okta":
		c.Issuer = "https://id.example/"
	}
	c.ClientID, c.ClientSecret = "crm", "s"
	return c
}

func TestValidate(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	set := func(kind string, change func(*provider.Config)) provider.Config {
		c := good(kind)
		change(&c)
		return c
	}
	tests := []struct {
		name string
		c    provider.Config
		want []string // the paths of the problems
	}{
		{"oidc", good("oidc"), nil},
		{"entra", good("entra"), nil},
		{"okta", good("okta"), nil},
		{"google", good("google"), nil},
		{"ldap", good("ldap"), nil},
		{"active_directory", good("active_directory"), nil},

		{"several tenants", set("entra", func(c *provider.Config) { c.Tenants = []string{secondTenant} }), nil},
		{"several tenants and none before", set("entra", func(c *provider.Config) { c.TenantID, c.Tenants = "", []string{tenant, secondTenant} }), nil},
		{"no tenant", set("entra", func(c *provider.Config) { c.TenantID = "" }), []string{"tenant_id"}},
		{"the tenant common", set("entra", func(c *provider.Config) { c.TenantID = "common" }), []string{"tenant_id"}},
		{"one of several is organizations", set("entra", func(c *provider.Config) { c.Tenants = []string{"organizations"} }), []string{"tenants"}},
		{"everybody's private account", set("entra", func(c *provider.Config) { c.Tenants = []string{"9188040d-6c67-4c5b-b112-36a304b66dad"} }), []string{"tenants"}},
		{"another cloud", set("entra", func(c *provider.Config) { c.Issuer = "https://login.microsoftonline.us/" + tenant + "/v2.0" }), nil},
		{"another tenant's issuer", set("entra", func(c *provider.Config) { c.Issuer = "https://login.microsoftonline.com/" + secondTenant + "/v2.0" }), []string{"issuer"}},
		{"Graph of another cloud", set("entra", func(c *provider.Config) { c.GroupsAPI.URL = "https://dod-graph.microsoft.us" }), nil},
		{"Graph elsewhere", set("entra", func(c *provider.Config) { c.GroupsAPI.URL = "https://graph.evil.example" }), []string{"groups_api.url"}},
		{"Graph in the clear", set("entra", func(c *provider.Config) { c.GroupsAPI.URL = "http://graph.microsoft.com" }), []string{"groups_api.url"}},
		{"Graph on this machine", set("entra", func(c *provider.Config) { c.GroupsAPI.URL = "http://127.0.0.1:8080/graph" }), nil},
		{"groups of Google at Entra ID", set("entra", func(c *provider.Config) { c.GroupsAPI.Source = "directory" }), []string{"groups_api.source"}},
		{"a name that Graph does not have", set("entra", func(c *provider.Config) { c.Groups.Name = "cn" }), []string{"groups.name"}},
		{"Google without a key", set("google", func(c *provider.Config) { c.GroupsAPI.Source = "directory" }), []string{"groups_api.service_account_file", "groups_api.admin_email"}},
		{"Google with something else", set("google", func(c *provider.Config) {
			c.GroupsAPI = provider.GroupsAPIConfig{Source: "cloud_identity", ServiceAccount: "{}", AdminEmail: "admin@contoso.com"}
		}), []string{"groups_api.service_account"}},
		{"Google complete", set("google", func(c *provider.Config) {
			c.GroupsAPI = provider.GroupsAPIConfig{Source: "directory", ServiceAccount: keyFile(t, "https://oauth2.googleapis.com/token"), AdminEmail: "admin@contoso.com"}
		}), nil},
		{"a token address that is not Google's", set("google", func(c *provider.Config) {
			c.GroupsAPI = provider.GroupsAPIConfig{Source: "directory", ServiceAccount: keyFile(t, "https://evil.example/token"), AdminEmail: "admin@contoso.com"}
		}), []string{"groups_api.service_account"}},
		{"Graph at Google", set("google", func(c *provider.Config) { c.GroupsAPI.Source = "graph" }), []string{"groups_api.source"}},

		{"groups API of nobody", set("okta", func(c *provider.Config) { c.GroupsAPI.URL = "https://x.example" }), []string{"groups_api"}},
		{"tenants of nobody", set("oidc", func(c *provider.Config) { c.Tenants = []string{tenant} }), []string{"tenants"}},

		{"everything missing", provider.Config{}, []string{"id", "link_by_email", "type"}},
		{"unknown type", set("oidc", func(c *provider.Config) { c.Type = "saml" }), []string{"type"}},
		{"id in capitals", set("oidc", func(c *provider.Config) { c.ID = "Contoso" }), []string{"id"}},
		{"id with a slash", set("oidc", func(c *provider.Config) { c.ID = "a/b" }), []string{"id"}},
		{"id of the local accounts", set("oidc", func(c *provider.Config) { c.ID = "local" }), []string{"id"}},
		{"id of a page", set("oidc", func(c *provider.Config) { c.ID = "password" }), []string{"id"}},
		{"domains", set("oidc", func(c *provider.Config) {
			c.Domains = []string{"contoso.com", "*", "", "@contoso.com", "a b", "x.", "Contoso.SE"}
		}), []string{"domains[2]", "domains[3]", "domains[4]", "domains[5]"}},
		{"emails", set("oidc", func(c *provider.Config) { c.Emails = []string{"a@b.example", "a@b@c.example", "a"} }), []string{"emails[1]", "emails[2]"}},
		{"linking", set("oidc", func(c *provider.Config) { c.LinkByEmail = "always" }), []string{"link_by_email"}},
		{"links", set("oidc", func(c *provider.Config) {
			c.Password.ResetURL, c.Password.ChangeURL = "javascript:alert(1)", "/relative"
		}), []string{"password.reset_url", "password.change_url"}},
		{"groups", set("oidc", func(c *provider.Config) {
			c.Groups.Map, c.Groups.Allow = []provider.GroupMap{{From: "a", To: "b"}, {From: "a"}}, []string{""}
		}), []string{"groups.map[1]", "groups.allow"}},
		{"no certificates", set("oidc", func(c *provider.Config) { c.CAFile = notPEM }), []string{"ca_file"}},
		{"no file of certificates", set("ldap", func(c *provider.Config) { c.CAFile = notPEM + "x" }), []string{"ca_file"}},

		{"oidc, nothing set", set("oidc", func(c *provider.Config) { c.Issuer, c.ClientID, c.ClientSecret = "", "", "" }),
			[]string{"issuer", "client_id", "client_secret"}},
		{"secret in a file", set("oidc", func(c *provider.Config) { c.ClientSecret, c.ClientSecretFile = "", "/run/secrets/x" }), nil},
		{"issuer in the clear", set("oidc", func(c *provider.Config) { c.Issuer = "http://id.example" }), []string{"issuer"}},
		{"issuer in the clear, looks like this machine", set("oidc", func(c *provider.Config) { c.Issuer = "http://localhost.evil.example" }), []string{"issuer"}},
		{"issuer on this machine", set("oidc", func(c *provider.Config) { c.Issuer = "http://localhost:8080/idp/" }), nil},
		{"issuer on this machine, IPv6", set("oidc", func(c *provider.Config) { c.Issuer = "http://[::1]:8080" }), nil},
		{"issuer with a query", set("oidc", func(c *provider.Config) { c.Issuer = "https://id.example/?a=b" }), []string{"issuer"}},
		{"issuer with a user", set("oidc", func(c *provider.Config) { c.Issuer = "https://u@id.example/" }), []string{"issuer"}},
		{"issuer no address", set("oidc", func(c *provider.Config) { c.Issuer = "id.example" }), []string{"issuer"}},
		{"public client", set("oidc", func(c *provider.Config) { c.ClientAuth, c.ClientSecret = "none", "" }), nil},
		{"public client with a secret", set("oidc", func(c *provider.Config) { c.ClientAuth = "none" }), []string{"client_auth"}},
		{"private_key_jwt with a secret and no key", set("oidc", func(c *provider.Config) { c.ClientAuth = "private_key_jwt" }), []string{"client_auth", "client_key_file"}},
		{"a key that is not there", set("oidc", func(c *provider.Config) {
			c.ClientAuth, c.ClientSecret, c.ClientKeyFile = "private_key_jwt", "", "/does/not/exist"
		}), []string{"client_key_file"}},
		{"a key without use", set("oidc", func(c *provider.Config) { c.ClientKeyFile = "key.pem" }), []string{"client_auth"}},
		{"revalidate", set("oidc", func(c *provider.Config) { c.Revalidate, c.RevalidateGrace = time.Millisecond, -1 }), []string{"revalidate", "revalidate_grace"}},
		{"request", set("oidc", func(c *provider.Config) {
			c.Request = provider.RequestConfig{Prompt: "none", MaxAge: -1, ACRValues: []string{"a b"}, ResponseMode: "fragment", PAR: "yes",
				Params: []provider.RequestParam{{Name: "state", Value: "x"}, {Name: "organization", Value: "contoso"}}}
		}), []string{"request.prompt", "request.max_age", "request.response_mode", "request.par", "request.acr_values[0]", "request.params[0].name"}},
		{"unknown client_auth", set("oidc", func(c *provider.Config) { c.ClientAuth = "basic" }), []string{"client_auth"}},
		{"logout", set("oidc", func(c *provider.Config) { c.Logout = "both" }), []string{"logout"}},
		{"scopes", set("oidc", func(c *provider.Config) { c.Scopes = []string{"groups", "a b"} }), []string{"scopes[1]"}},

		{"tenant missing", set("entra", func(c *provider.Config) { c.TenantID = "" }), []string{"tenant_id"}},
		{"tenant common", set("entra", func(c *provider.Config) { c.TenantID = "common" }), []string{"tenant_id"}},
		{"tenant a domain", set("entra", func(c *provider.Config) { c.TenantID = "contoso.onmicrosoft.com" }), []string{"tenant_id"}},
		{"entra elsewhere", set("entra", func(c *provider.Config) { c.Issuer = "https://id.example" }), []string{"issuer"}},
		{"entra on this machine", set("entra", func(c *provider.Config) { c.Issuer = "http://127.0.0.1:9" }), nil},
		{"google elsewhere", set("google", func(c *provider.Config) { c.Issuer = "https://id.example" }), []string{"issuer"}},

		{"ldap, nothing set", provider.Config{ID: "d", Type: "ldap", LinkByEmail: "never"},
			[]string{"urls", "bind_dn", "bind_password", "user_base", "timeout"}},
		{"ldap in the clear", set("ldap", func(c *provider.Config) { c.URLs = []string{"ldap://dc.example"} }), []string{"urls[0]"}},
		{"ldap in the clear on this machine", set("ldap", func(c *provider.Config) { c.URLs = []string{"ldap://127.0.0.1"} }), []string{"urls[0]"}},
		{"StartTLS", set("ldap", func(c *provider.Config) {
			c.URLs, c.StartTLS = []string{"ldap://dc.example", "ldaps://dc.example"}, true
		}), nil},
		{"addresses", set("ldap", func(c *provider.Config) {
			c.URLs = []string{"https://dc.example", "dc.example", "ldaps://", "ldaps://dc.example/dc=example", "ldaps://u:p@dc.example"}
		}), []string{"urls[0]", "urls[1]", "urls[2]", "urls[3]", "urls[4]"}},
		{"bases", set("ldap", func(c *provider.Config) { c.UserBase, c.Groups.Base, c.BindDN = "people", "x,", "me@example" }),
			[]string{"user_base", "groups.base", "bind_dn"}},
		{"a service account by its Windows name", set("active_directory", func(c *provider.Config) { c.BindDN = "svc@corp.example" }), nil},
		{"filter without a name", set("ldap", func(c *provider.Config) { c.UserFilter = "(uid=admin)" }), []string{"user_filter"}},
		{"filter with a bracket too few", set("ldap", func(c *provider.Config) { c.UserFilter = "(uid={login}" }), []string{"user_filter"}},
		{"filter with an unknown placeholder", set("ldap", func(c *provider.Config) { c.UserFilter = "(|(uid={login})(mail={mail}))" }), []string{"user_filter"}},
		{"group filter", set("ldap", func(c *provider.Config) { c.Groups.Filter = "(memberUid={uid})" }), []string{"groups.filter"}},
		{"group filter by user name", set("ldap", func(c *provider.Config) { c.Groups.Filter = "(memberUid={username})" }), nil},
		{"nested without a base", set("ldap", func(c *provider.Config) { c.Groups.Nested = true }), []string{"groups.nested"}},
		{"nested without a base in Active Directory", set("active_directory", func(c *provider.Config) { c.Groups.Nested = true }), nil},
		{"filter by the name alone", set("active_directory", func(c *provider.Config) { c.UserFilter = "(sAMAccountName={name})" }), nil},
		{"filter by a name that only Active Directory has", set("ldap", func(c *provider.Config) { c.UserFilter = "(uid={name})" }), []string{"user_filter", "user_filter"}},
		{"schema", set("ldap", func(c *provider.Config) { c.Schema = "freeipa" }), nil},
		{"unknown schema", set("ldap", func(c *provider.Config) { c.Schema = "novell" }), []string{"schema"}},
		{"schema of Active Directory", set("active_directory", func(c *provider.Config) { c.Schema = "openldap" }), []string{"schema"}},
		{"passwords changed here", set("ldap", func(c *provider.Config) { c.PasswordChange = true }), nil},
		{"passwords of an OpenID Provider changed here", set("oidc", func(c *provider.Config) { c.PasswordChange = true }), []string{"password_change"}},
		{"id of the page that changes passwords", set("oidc", func(c *provider.Config) { c.ID = "change-password" }), []string{"id"}},
		{"time-out", set("ldap", func(c *provider.Config) { c.Timeout = time.Hour }), []string{"timeout"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range tt.c.Validate() {
				got = append(got, p.Path)
				if p.Message == "" || p.Hint == "" || p.Warning {
					t.Errorf("%+v does not say what to do", p)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGoogleWithoutAnOrganisation(t *testing.T) {
	for name, domains := range map[string][]string{"none": nil, "every": {"*"}} {
		c := good("google")
		c.Domains = domains
		if ps := c.Validate(); len(ps) != 1 || ps[0].Path != "domains" || !ps[0].Warning || ps[0].Hint == "" {
			t.Errorf("%s: %+v, want one warning about domains", name, ps)
		}
	}
}
