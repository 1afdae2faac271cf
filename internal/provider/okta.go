package provider

import (
	"cmp"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"crmgate/internal/identity"
)

// Okta. The issuer is the organisation (https://contoso.okta.com) or one of its authorization servers
// (https://contoso.okta.com/oauth2/default); for employees the organisation is the right one. Universal Logout: oktalogout.go.

// oktaGroupLimit is how many groups Okta puts into a token. It leaves out the others and says nothing.
const oktaGroupLimit = 100

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

// oktaOrg returns the organisation that an issuer belongs to: one of its authorization servers, or itself.
func oktaOrg(issuer string) string {
	org, _, _ := strings.Cut(issuer, "/oauth2/")
	return org
}

// okta is an OpenID Provider that can also end all sessions of a person.
type okta struct {
	*redirector
	// org is the organisation's own authorization server, whose keys sign what does not belong to a sign-in.
	org *discovery
	// endpoint is the address of Universal Logout.
	endpoint string
}

func openOkta(c Config, env Env) (identity.Provider, error) {
	// Okta has no select_account; its sign-in page offers other accounts.
	r, err := newRedirector(c, env, dialect{choosePrompt: "login", bearerSubject: oktaBearerSubject})
	if err != nil {
		return nil, err
	}
	r.dialect.sawGroups = r.watchLimit
	o := &okta{redirector: r, org: r.discovery, endpoint: universalLogoutURL(env.RedirectURI, c.ID)}
	if org := oktaOrg(c.Issuer); org != c.Issuer {
		o.org = &discovery{issuer: org, client: r.client, log: r.discovery.log, now: env.Now}
	}
	return o, nil
}

// watchLimit says in the log that somebody may be in more groups than came. It cannot be told from somebody who is in exactly so many, so
// the sign-in goes on with those that came.
func (r *redirector) watchLimit(all claims, groups []string) {
	if len(groups) < oktaGroupLimit {
		return
	}
	subject, _ := all.text("sub")
	r.env.Log.Warn("groups may be missing: Okta puts at most 100 into a token", slog.String("provider", r.cfg.ID), slog.String("subject", clip(subject)),
		slog.Int("groups", len(groups)), slog.String("hint", "narrow the groups claim's filter to those that the rules name"))
}

// oktaBearerSubject is the user's id: in Okta's access tokens "sub" is the name that the person signs in with, which may change.
func oktaBearerSubject(_ Config, token claims) string {
	uid, _ := token.text("uid")
	return uid
}
