package provider

import (
	"cmp"
	"net/url"
	"slices"

	"crmgate/internal/identity"
)

// Okta. The issuer is the organisation (https://contoso.okta.com) or one of its authorization servers
// (https://contoso.okta.com/oauth2/default); for employees the organisation is the right one.

func presetOkta(c Config) Config {
	c.ClientAuth = cmp.Or(c.ClientAuth, authBasic)
	if !slices.Contains(c.Scopes, "groups") {
		c.Scopes = append([]string{"groups"}, c.Scopes...)
	}
	// The page belongs to the organisation, also where the issuer is one of its authorization servers.
	if u, err := url.Parse(c.Issuer); err == nil && u.Host != "" {
		c.Password.ResetURL = cmp.Or(c.Password.ResetURL, u.Scheme+"://"+u.Host+"/signin/forgot-password")
	}
	return c
}

func openOkta(c Config, env Env) (identity.Provider, error) {
	// Okta has no select_account; its sign-in page offers other accounts.
	return newRedirector(c, env, dialect{choosePrompt: "login", bearerSubject: oktaBearerSubject})
}

// oktaBearerSubject is the user's id: in Okta's access tokens "sub" is the name that the person signs in with, which may change.
func oktaBearerSubject(_ Config, token claims) string {
	uid, _ := token.text("uid")
	return uid
}
