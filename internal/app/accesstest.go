package config

import (
	"strings"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/policy"
)

// RunAccessTests runs `access.tests` and names each expectation that does not hold, by its path in the file. What a test
// leaves open is filled in the way a real request would: the provider that signs in the address, and the upstream that has
// the path.
func (c *Config) RunAccessTests() fault.Problems {
	access := c.Access
	realms := c.realms()
	access.Tests = make([]policy.TestConfig, 0, len(c.Access.Tests))
	for _, t := range c.Access.Tests {
		if t.Provider == "" && t.Email != "" {
			t.Provider = account.OwnerLocal
			if p, ok := realms.Find(t.Email); ok {
				t.Provider = p.Info().ID
			}
		}
		if t.Upstream == "" {
			t.Upstream = c.upstreamOf(t.Request)
		}
		access.Tests = append(access.Tests, t)
	}
	return policy.RunTests(access).Under("access")
}

// claimed is a provider of which only the addresses matter.
type claimed identity.Info

// Info returns the addresses.
func (c claimed) Info() identity.Info { return identity.Info(c) }

func (c *Config) realms() *identity.Realms {
	var all []identity.Provider
	for _, p := range c.Providers {
		all = append(all, claimed{ID: p.ID, Domains: p.Domains, Emails: p.Emails})
	}
	return identity.NewRealms(all...)
}

// upstreamOf returns the id of the upstream that a request belongs to by its path, "" where two on different hosts could.
func (c *Config) upstreamOf(request string) string {
	_, path, _ := strings.Cut(request, " ")
	path, _, _ = strings.Cut(path, "?")
	best, id := -1, ""
	for _, u := range c.Upstreams {
		for _, prefix := range u.Paths {
			p := strings.TrimSuffix(prefix, "/")
			switch {
			case path != p && !strings.HasPrefix(path, p+"/"):
			case len(p) > best:
				best, id = len(p), u.ID
			case len(p) == best && id != u.ID:
				id = ""
			}
		}
	}
	return id
}
