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
// accounts; a private account can carry an address of any domain. There is no sign-out page, and groups are asked elsewhere
// (googlegroups.go).

const googleIssuer = "https://accounts.google.com"

func presetGoogle(c Config) Config {
	c.Issuer = cmp.Or(c.Issuer, googleIssuer)
	c.ClientAuth = cmp.Or(c.ClientAuth, authPost)
	c.Password.ResetURL = cmp.Or(c.Password.ResetURL, "https://accounts.google.com/signin/recovery")
	return c
}

func validateGoogle(c Config, p *fault.Problems) {
	validateFixedIssuer(c, googleIssuer, p)
	validateClient(c.RedirectConfig, p)
	validateGoogleGroups(c, p)
	if len(c.ownDomains()) == 0 {
		*p = append(*p, fault.Problem{Path: "domains", Warning: true,
			Message: "names no organisation: everybody in the world who has a Google account is let in, unless Google itself restricts the client",
			Hint:    "Write the domains of your organisation, such as [contoso.com]; accounts of others are then refused."})
	}
}

func openGoogle(c Config, env Env) (identity.Provider, error) {
	d := dialect{check: checkHostedDomain, noOffline: true, authParams: url.Values{}, tunePrompt: googlePrompt}
	if own := c.ownDomains(); len(own) == 1 {
		d.authParams.Set("hd", own[0]) // a hint for the page; the claim is what counts
	} else if len(own) > 1 {
		d.authParams.Set("hd", "*") // any organisation's
	}
	// Google refuses offline_access. A refresh token comes for access_type=offline, and at the first consent only: request.prompt: consent asks for
	// that page every time, which is the administrator's to decide.
	if c.Revalidate > 0 {
		d.authParams.Set("access_type", "offline")
	}
	r, err := newRedirector(c, env, d)
	if err != nil || !c.GroupsAPI.asks() {
		return r, err
	}
	groups, err := newGoogleGroups(r)
	if err != nil {
		return nil, err
	}
	r.dialect.moreGroups, r.dialect.ping = groups.groups, groups.ping
	return r, nil
}

// googlePrompt speaks Google's words: there is no "login".
func googlePrompt(prompt string) string {
	if prompt == "login" {
		return "select_account"
	}
	return prompt
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
		fmt.Errorf("the hosted domain is %q", clip(hd))).WithReason("wrong_organisation").
		WithTitle("This is an account of another organisation").WithNext(fault.Next{Label: "Use another account", Path: "/sign-in/" + c.ID + "?switch=1"})
}
