package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// GitHub speaks OAuth 2.0 without OpenID Connect: there is no ID token, so who it is comes from the API over TLS, for the access token that the
// code was good for. github.com, organisations of their own below ghe.com, and GitHub Enterprise Server.
//
// Sources: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps and
// https://docs.github.com/en/rest/users. The person is keyed by the number of the account: names are given away again.
// Groups are organisations ("contoso") and teams ("contoso/sales"); an organisation must have approved the application to be seen.
// There is no sign-out address. A token of an OAuth app does not expire, so it is what Revalidate asks with; a GitHub App's does, and
// brings a refresh token.
const githubIssuer = "https://github.com"

const (
	// githubPage is how many entries the API sends at most at once; githubPages how many times it is asked.
	githubPage  = 100
	githubPages = 20
	// githubRefresh begins refresh tokens and nothing else.
	githubRefresh = "ghr_"
)

type github struct {
	// party is what any redirect provider needs: client, credentials, sentences. Its discovery is not used.
	party    *redirector
	metadata *metadata
	web, api string
}

func presetGitHub(c Config) Config {
	c.Issuer = cmp.Or(strings.TrimSuffix(c.Issuer, "/"), githubIssuer)
	c.ClientAuth = cmp.Or(c.ClientAuth, authPost)
	c.Password.ResetURL = cmp.Or(c.Password.ResetURL, c.Issuer+"/password_reset")
	c.Password.ChangeURL = cmp.Or(c.Password.ChangeURL, c.Issuer+"/settings/security")
	return c
}

func validateGitHub(c Config, p *fault.Problems) {
	validateOIDC(c, p)
	if c.ClientAuth != authPost {
		p.Add("client_auth", "Leave it out.", "GitHub takes its secret in the form")
	}
	if slices.Contains(c.Organizations, "") {
		p.Add("organizations", "Remove the empty name.", "an empty name has no members")
	}
	if len(c.Organizations) == 0 && c.Issuer == githubIssuer && c.AllowSignUp {
		*p = append(*p, fault.Problem{Path: "organizations", Warning: true,
			Message: "names no organisation: everybody in the world who has a GitHub account is let in",
			Hint:    "Write your organisation's name at GitHub, such as [contoso]; whoever is no member is then refused."})
	}
}

func openGitHub(c Config, env Env) (identity.Provider, error) {
	party, err := newRedirector(c, env, dialect{})
	if err != nil {
		return nil, err
	}
	g := &github{party: party, web: c.Issuer, api: githubAPI(c.Issuer), metadata: &metadata{}}
	g.metadata.TokenURL = c.Issuer + "/login/oauth/access_token"
	return g, nil
}

func githubAPI(web string) string {
	host := strings.TrimPrefix(web, "https://")
	if host == "github.com" || strings.HasSuffix(host, ".ghe.com") {
		return "https://api." + host
	}
	return web + "/api/v3"
}

// Info describes the provider.
func (g *github) Info() identity.Info { return g.party.Info() }

// wantsMemberships reports whether organisations and teams have to be asked for.
func (g *github) wantsMemberships() bool {
	return len(g.party.cfg.Organizations) > 0 || g.party.wantsGroups()
}

// AuthURL returns where to send the browser.
func (g *github) AuthURL(_ context.Context, req identity.AuthRequest) (string, error) {
	if req.State == "" || req.Verifier == "" {
		return "", errors.New("build authorization request: state or verifier is missing")
	}
	scopes := []string{"read:user", "user:email"}
	if g.wantsMemberships() {
		scopes = append(scopes, "read:org")
	}
	for _, s := range g.party.cfg.Scopes {
		scopes = add(scopes, s)
	}
	v := url.Values{
		"client_id": {g.party.cfg.ClientID}, "redirect_uri": {g.party.env.RedirectURI}, "response_type": {"code"}, "state": {req.State},
		"scope": {strings.Join(scopes, " ")}, "code_challenge": {oauth2.S256ChallengeFromVerifier(req.Verifier)}, "code_challenge_method": {"S256"},
	}
	if req.SelectAccount {
		v.Set("prompt", "select_account")
	} else if req.LoginHint != "" {
		v.Set("login", req.LoginHint)
	}
	return g.web + "/login/oauth/authorize?" + v.Encode(), nil
}

// Exchange turns the response into an identity.
func (g *github) Exchange(ctx context.Context, cb identity.Callback) (identity.Identity, error) {
	for _, values := range cb.Params {
		if len(values) != 1 {
			return identity.Identity{}, g.party.garbled("response_repeated")
		}
	}
	code, iss := cb.Params.Get("code"), cb.Params.Get("iss")
	switch {
	case cb.Params.Has("iss") && iss != g.web && iss != g.web+"/login/oauth":
		return identity.Identity{}, g.party.garbled("response_issuer")
	case cb.Params.Has("error") && code != "":
		return identity.Identity{}, g.party.garbled("response_ambiguous")
	case cb.Params.Has("error"):
		return identity.Identity{}, g.party.refused(cb.Params)
	case code == "":
		return identity.Identity{}, g.party.garbled("response_empty")
	}
	tokens, err := g.tokens(ctx, url.Values{"code": {code}, "redirect_uri": {g.party.env.RedirectURI}, "code_verifier": {cb.Verifier}})
	if err != nil {
		return identity.Identity{}, g.party.codeRefused(err)
	}
	id, err := g.describe(ctx, tokens.AccessToken)
	if err != nil {
		return identity.Identity{}, g.apiRefused(err)
	}
	if g.party.cfg.Revalidate > 0 {
		id.RefreshToken = cmp.Or(tokens.RefreshToken, tokens.AccessToken)
	}
	return id, nil
}

// Revalidate asks again who it is and where they belong.
func (g *github) Revalidate(ctx context.Context, grant identity.Grant) (identity.Identity, error) {
	access, fresh := grant.RefreshToken, ""
	switch {
	case access == "":
		return identity.Identity{}, identity.ErrNothingToAsk
	case grant.Issuer != g.web:
		return identity.Identity{}, g.party.grantEnded("grant_issuer", fmt.Errorf("ask again: the session is of issuer %q", clip(grant.Issuer)))
	case strings.HasPrefix(access, githubRefresh):
		tokens, err := g.tokens(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {access}})
		if err != nil {
			return identity.Identity{}, g.party.refreshRefused(err)
		}
		access, fresh = tokens.AccessToken, tokens.RefreshToken
	}
	id, err := g.describe(ctx, access)
	if err == nil && id.Subject != grant.Subject {
		err = bad("token_subject", "ask again: the answer is about %q, not %q", id.Subject, clip(grant.Subject))
	}
	if err != nil {
		return identity.Identity{RefreshToken: fresh}, g.apiRefused(err)
	}
	id.RefreshToken = fresh
	return id, nil
}

// tokens asks the token endpoint, which says no with status 200.
func (g *github) tokens(ctx context.Context, form url.Values) (tokenAnswer, error) {
	var raw json.RawMessage
	if err := g.party.post(ctx, g.metadata, g.metadata.TokenURL, form, &raw); err != nil {
		return tokenAnswer{}, err
	}
	var c claims
	if err := json.Unmarshal(raw, &c); err != nil {
		return tokenAnswer{}, fmt.Errorf("ask %s: the answer is no JSON object", g.metadata.TokenURL)
	}
	if code, ok := c.text("error"); ok {
		if code == "bad_verification_code" || code == "bad_refresh_token" {
			code = "invalid_grant"
		}
		return tokenAnswer{}, &answerRefused{address: g.metadata.TokenURL, status: http.StatusBadRequest, code: code}
	}
	var t tokenAnswer
	if err := json.Unmarshal(raw, &t); err != nil || t.AccessToken == "" {
		return tokenAnswer{}, fmt.Errorf("ask %s: the answer has no access token", g.metadata.TokenURL)
	}
	return t, nil
}

// apiRefused puts what went wrong with the API into a sentence. A token that it does not take has been withdrawn.
func (g *github) apiRefused(err error) error {
	var status statusError
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &status) && status == http.StatusUnauthorized:
		return g.party.grantEnded("invalid_grant", err)
	}
	return g.party.tokenRefused(err)
}

// describe asks the API about the person whose token it is.
func (g *github) describe(ctx context.Context, access string) (identity.Identity, error) {
	var user struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
		Name  string `json:"name"`
	}
	if err := getJSON(ctx, g.party.client, g.api+"/user", access, &user); err != nil {
		return identity.Identity{}, err
	}
	if user.ID <= 0 {
		return identity.Identity{}, bad("token_subject", "ask for user: the account has no number")
	}
	id := identity.Identity{
		Provider: g.party.cfg.ID, Issuer: g.web, Subject: strconv.FormatInt(user.ID, 10), Username: user.Login, Name: user.Name,
	}
	var addresses []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	if err := getJSON(ctx, g.party.client, g.api+"/user/emails?per_page=100", access, &addresses); err != nil {
		return identity.Identity{}, err
	}
	for _, a := range addresses {
		if a.Primary && isAddress(a.Email) {
			id.Email, id.EmailVerified, id.EmailDoubtful = a.Email, a.Verified, !a.Verified
		}
	}
	if !g.wantsMemberships() {
		return id, nil
	}
	groups, err := g.memberships(ctx, access)
	if err != nil {
		return identity.Identity{}, err
	}
	if wanted := g.party.cfg.Organizations; len(wanted) > 0 && !slices.ContainsFunc(wanted, func(o string) bool {
		return slices.ContainsFunc(groups, func(name string) bool { return strings.EqualFold(name, o) })
	}) {
		return identity.Identity{}, fault.Wrap(fault.Forbidden, fmt.Sprintf("This GitHub account does not belong to %s. Please choose your company account, "+
			"or ask your administrator to add you.", g.party.cfg.displayName()), fmt.Errorf("%s is in none of the organisations", clip(user.Login))).
			WithReason("wrong_organisation").WithNext(fault.NextSignIn)
	}
	id.Groups = g.party.cfg.Groups.choose(groups)
	return id, nil
}

// memberships returns organisations and teams.
func (g *github) memberships(ctx context.Context, access string) ([]string, error) {
	type organisation struct {
		Login string `json:"login"`
	}
	organisations, err := allPages[organisation](ctx, g, "/user/orgs", access)
	if err != nil {
		return nil, err
	}
	teams, err := allPages[struct {
		Slug         string       `json:"slug"`
		Organisation organisation `json:"organization"`
	}](ctx, g, "/user/teams", access)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, o := range organisations {
		out = add(out, o.Login)
	}
	for _, t := range teams {
		out = add(out, t.Organisation.Login+"/"+t.Slug)
	}
	return out, nil
}

// allPages reads a list to its end. One that does not end is refused: less is not all.
func allPages[T any](ctx context.Context, g *github, path, access string) ([]T, error) {
	var all []T
	for page := 1; page <= githubPages; page++ {
		var some []T
		if err := getJSON(ctx, g.party.client, fmt.Sprintf("%s%s?per_page=%d&page=%d", g.api, path, githubPage, page), access, &some); err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < githubPage {
			return all, nil
		}
	}
	return nil, g.party.groupsUnreadable("groups_overage", fmt.Errorf("%s has more than %d entries", path, githubPages*githubPage))
}

// Ping reaches GitHub. The page itself may answer what it likes to nobody.
func (g *github) Ping(ctx context.Context) error {
	_, _, err := get(ctx, g.party.client, g.web+"/login/oauth/authorize", "")
	var status statusError
	if err == nil || errors.Is(err, errWebPage) || (errors.As(err, &status) && status < http.StatusInternalServerError) {
		return nil
	}
	return g.party.unreachable(err)
}
