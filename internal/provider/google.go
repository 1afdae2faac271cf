package provider

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Google Workspace. What makes somebody a colleague is the "hd" claim, which Google sets for the organisation's own
// accounts; a private account can carry an address of any domain. There is no sign-out page and there are no groups.

const googleIssuer = "https://accounts.google.com"

func presetGoogle(c Config) Config {
	c.Issuer = cmp.Or(c.Issuer, googleIssuer)
	c.ClientAuth = cmp.Or(c.ClientAuth, authPost)
	c.Password.ResetURL = cmp.Or(c.Password.ResetURL, "https://accounts.google.com/signin/recovery")
	return c
}

func validateGoogle(c Config, p *fault.Problems) {
	validateFixedIssuer(c, googleIssuer, p)
	validateClient(c, p)
	if len(c.ownDomains()) == 0 {
		*p = append(*p, fault.Problem{Path: "domains", Warning: true,
			Message: "names no organisation: everybody in the world who has a Google account is let in, unless Google itself restricts the client",
			Hint:    "Write the domains of your organisation, such as [contoso.com]; accounts of others are then refused."})
	}
}

func openGoogle(c Config, env Env) (identity.Provider, error) {
	d := dialect{check: checkHostedDomain}
	if own := c.ownDomains(); len(own) == 1 {
		d.authParams = url.Values{"hd": own} // a hint for the page; the claim is what counts
	}
	return newRedirector(c, env, d)
}

// checkHostedDomain refuses private accounts and other organisations where the configuration names domains.
func checkHostedDomain(c Config, token claims) *fault.Error {
	own := c.ownDomains()
	if len(own) == 0 {
		return nil
	}
	hd, _ := token.text("hd")
	if slices.Contains(own, strings.ToLower(hd)) {
		return nil
	}
	return fault.Wrap(fault.Forbidden, fmt.Sprintf("This Google account does not belong to %s. Please choose your company account.", c.displayName()),
		fmt.Errorf("the hosted domain is %q", clip(hd))).WithReason("wrong_organisation").WithNext(fault.NextSignIn)
}
