package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
)

// crossCheck names the faults that show only when sections are seen together.
func crossCheck(c *Config) fault.Problems {
	var p fault.Problems
	checkUpstreams(c, &p)
	checkProviders(c, &p)
	checkRules(c, &p)
	checkWays(c, &p)
	checkFactors(c, &p)
	checkWhoAsks(c.Server, &p)
	return p
}

// checkFactors checks that who is asked for a second factor can have one.
func checkFactors(c *Config, p *fault.Problems) {
	public, err := url.Parse(c.Server.PublicURL)
	works := func(kind string) bool {
		switch mfa.Kind(kind) {
		case mfa.Email:
			return c.Mail.Enabled()
		case mfa.SMS:
			return c.Factors.SMS.URL != ""
		case mfa.Passkey:
			return err == nil && net.ParseIP(public.Hostname()) == nil
		case mfa.Recovery:
			return false // it stands in for another
		}
		return true
	}
	possible := c.Factors.Policy != mfa.PolicyOff && slices.ContainsFunc(c.Factors.Allowed, works)
	if c.Factors.Policy == mfa.PolicyRequired && len(c.Factors.Allowed) > 0 && !possible {
		p.Add("factors.allowed", "Add totp, which needs nothing else.", "leaves nothing that works here: e-mail needs mail, text messages need factors.sms.url, and passkeys a public_url with a name")
	}
	for i, pr := range c.Providers {
		if rule := identity.FactorRule(pr.Factor); rule != "" && rule != identity.FactorTrust && !possible {
			p.Add(fmt.Sprintf("providers[%d].factor", i), "Set factors.policy to optional, or this to trust.", "asks for a second factor, and nobody can have one here")
		}
	}
	for i, rule := range c.Access.Rules {
		if rule.RequireFactor && !possible {
			p.Add(fmt.Sprintf("access.rules[%d].require_factor", i), "Set factors.policy to optional, or leave it out.", "asks for a second factor, and nobody can have one here")
		}
	}
}

// idShape is what upstreams and providers may be called: it stands in addresses, headers and the database.
var idShape = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// checkID checks one id of a list and that nobody before it has the same.
func checkID(section, id string, i int, first map[string]int, p *fault.Problems) {
	at := fmt.Sprintf("%s[%d].id", section, i)
	switch before, taken := first[id]; {
	case id == "":
		p.Add(at, "Write a short name in small letters.", "is missing")
	case !idShape.MatchString(id):
		p.Add(at, "Write small letters, digits and - only.", "%s is not an id", quoted(id))
	case taken:
		p.Add(at, "Ids must differ.", "%s is the id of %s[%d] too", quoted(id), section, before)
	default:
		first[id] = i
	}
}

func checkUpstreams(c *Config, p *fault.Problems) {
	if len(c.Upstreams) == 0 {
		p.Add("upstreams", "Name at least one: {id: crm, urls: [http://127.0.0.1:8069]}.", "is missing")
	}
	ids, routes := map[string]int{}, map[string]int{}
	for i, u := range c.Upstreams {
		checkID("upstreams", u.ID, i, ids, p)
		at := fmt.Sprintf("upstreams[%d]", i)
		hosts := u.Hosts
		if len(hosts) == 0 {
			hosts = []string{""}
		}
		for _, h := range hosts {
			for j, path := range u.Paths {
				route := strings.ToLower(h) + " " + strings.TrimSuffix(path, "/")
				if before, taken := routes[route]; taken && before != i {
					p.Add(fmt.Sprintf("%s.paths[%d]", at, j), "Paths or hosts of two upstreams must differ.", "%s is served by upstreams[%d] already", quoted(path), before)
					continue
				}
				routes[route] = i
			}
		}
	}
}

// takenIDs cannot be provider ids: an account owned by "local" has a local password, and /sign-in/password is a page.
var takenIDs = []string{account.OwnerLocal, "password"}

func checkProviders(c *Config, p *fault.Problems) {
	ids, domains, emails := map[string]int{}, map[string]string{}, map[string]string{}
	for i, pr := range c.Providers {
		checkID("providers", pr.ID, i, ids, p)
		at := fmt.Sprintf("providers[%d]", i)
		if slices.Contains(takenIDs, pr.ID) {
			p.Add(at+".id", "Choose another.", "%s has a meaning of its own", quoted(pr.ID))
		}
		for j, d := range pr.Domains {
			claim(fmt.Sprintf("%s.domains[%d]", at, j), strings.ToLower(strings.TrimSpace(d)), pr.ID, domains, p)
		}
		for j, e := range pr.Emails {
			claim(fmt.Sprintf("%s.emails[%d]", at, j), identity.Normalize(e), pr.ID, emails, p)
		}
	}
}

// claim notes who signs in the people of a domain or an address, and refuses a second one.
func claim(at, what, provider string, claims map[string]string, p *fault.Problems) {
	if what == "" {
		return // the provider's own Validate says so
	}
	if by, taken := claims[what]; taken {
		p.Add(at, "A person signs in at one place.", "%s belongs to provider %s already", quoted(what), quoted(by))
		return
	}
	claims[what] = provider
}

func checkRules(c *Config, p *fault.Problems) {
	var upstreams, providers []string
	for _, u := range c.Upstreams {
		upstreams = append(upstreams, u.ID)
	}
	for _, pr := range c.Providers {
		providers = append(providers, pr.ID)
	}
	*p = append(*p, c.Access.References(upstreams, providers).Under("access")...)
}

// checkWays checks that people can get in, and that what the sections need of each other is there.
func checkWays(c *Config, p *fault.Problems) {
	if !c.Local.Enabled && len(c.Providers) == 0 {
		p.Add("local.enabled", "Enable local accounts or name a provider.", "is false and there is no provider: nobody could sign in")
	}
	if c.Session.Store == "redis" && len(c.Redis.Addresses) == 0 {
		p.Add("redis.addresses", "Name at least one host:port, since session.store is redis.", "is missing")
	}
	if c.Local.Enabled && c.Local.Reset.Enabled && !c.Mail.Enabled() {
		*p = append(*p, fault.Problem{Path: "mail.smtp.host", Warning: true, Message: "is not set: people with a local account cannot reset a forgotten password themselves",
			Hint: "Set it, or set local.reset.enabled to false. crmgate user reset --print-link works without mail."})
	}
}

// checkWhoAsks warns where a page of the CRM could ask in its own user's name: through a proxy that is trusted and passes it on.
func checkWhoAsks(c ServerConfig, p *fault.Problems) {
	f := c.ForwardAuth
	if !f.Enabled || len(c.TrustedProxies) == 0 || len(f.Proxies) > 0 || f.Secret != "" || f.SecretFile != "" {
		return
	}
	*p = append(*p, fault.Problem{Path: "server.trusted_proxies", Warning: true,
		Message: "every proxy here may ask " + c.PathPrefix + "/auth about any request; through one that passes browsers' requests on, so may a page of the CRM, and read its own user's assertion",
		Hint:    "Set server.forward_auth.enabled to false, or name the proxies that ask in server.forward_auth.proxies and give them a secret."})
}
