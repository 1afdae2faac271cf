package provider

import (
	"cmp"
	"strings"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Active Directory is an LDAP directory with its own names. The person is keyed by objectGUID. Groups do not include the
// primary group (usually Domain Users), which AD keeps elsewhere.

func presetActiveDirectory(c Config) Config {
	c.UserFilter = cmp.Or(c.UserFilter, "(&(objectCategory=person)(objectClass=user)(|(userPrincipalName={login})(sAMAccountName={login})(mail={login})))")
	c.Attributes.ID = cmp.Or(c.Attributes.ID, "objectGUID")
	c.Attributes.Username = cmp.Or(c.Attributes.Username, "sAMAccountName")
	c.Attributes.Email = cmp.Or(c.Attributes.Email, "mail")
	c.Attributes.Name = cmp.Or(c.Attributes.Name, "displayName")
	filter := "(&(objectClass=group)(member={dn}))"
	if c.Groups.Nested {
		filter = "(&(objectClass=group)(member:" + ruleInChain + ":={dn}))"
	}
	c.Groups.Filter = cmp.Or(c.Groups.Filter, filter)
	c.Groups.Name = cmp.Or(c.Groups.Name, "cn")
	return c
}

// validateActiveDirectory takes any form of service account that AD binds: a DN, name@domain or DOMAIN\name.
func validateActiveDirectory(c Config, p *fault.Problems) { validateDirectory(c, p) }

func openActiveDirectory(c Config, env Env) (identity.Provider, error) {
	d, err := newDirectory(c, env)
	if err != nil {
		return nil, err
	}
	d.login = withoutDomain
	return d, nil
}

// withoutDomain turns DOMAIN\name, as people type it at Windows, into the name: the search finds one directory's people anyway.
func withoutDomain(login string) string {
	if _, name, ok := strings.Cut(login, `\`); ok {
		return name
	}
	return login
}
