package provider_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/provider"
)

func TestValidateIdleKeys(t *testing.T) {
	set := func(kind string, change func(*provider.Config)) provider.Config {
		c := good(kind)
		change(&c)
		return c
	}
	for _, tt := range []struct {
		name string
		c    provider.Config
		want []string // the paths; ! marks a fault, the others are warnings
	}{
		{"keys of others, oidc", set("oidc", func(c *provider.Config) {
			c.Organizations, c.TenantID, c.UserBase, c.URLs, c.Groups.Nested = []string{"contoso"}, tenant, "dc=x", []string{"ldaps://x"}, true
		}), []string{"!organizations", "!tenant_id", "urls", "user_base", "groups.nested"}},
		{"keys of others, entra", set("entra", func(c *provider.Config) { c.Timeout, c.StartTLS, c.BindPassword = time.Second, true, "s" }),
			[]string{"start_tls", "bind_password", "timeout"}},
		{"keys of others, ldap", set("ldap", func(c *provider.Config) {
			c.ClientID, c.ClientSecretFile, c.ClientSecret, c.Issuer, c.Scopes, c.Claims.Groups = "crm", "/x", "s", "https://id.example", []string{"groups"}, "groups"
			c.Request.ACRValues = []string{"mfa"}
		}), []string{"!request.acr_values", "claims", "issuer", "client_id", "client_secret_file", "scopes"}},
		{"keys of others, github", set("github", func(c *provider.Config) {
			c.Organizations = []string{"contoso"}
			c.Request.MaxAge, c.Request.Prompt, c.Claims.Name, c.Attributes.ID = time.Hour, "login", "nick", "uid"
		}), []string{"!request.max_age", "claims", "attributes"}},
		{"empty keys of others", set("active_directory", func(c *provider.Config) {
			c.Scopes, c.Organizations, c.Logout, c.Request.ACRValues = []string{}, []string{}, "local", []string{}
		}), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range tt.c.Validate() {
				mark := "!"
				if p.Warning {
					mark = ""
				}
				got = append(got, mark+p.Path)
				if !strings.Contains(p.Message, tt.c.Type) || p.Hint == "" {
					t.Errorf("%+v does not say what to do", p)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
