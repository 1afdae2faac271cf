package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// redirector is an OpenID Provider.
type redirector struct {
	cfg       Config
	names     ClaimsConfig
	env       Env
	client    *http.Client
	discovery *discovery
	verifier  verifier
	dialect   dialect
}

// dialect is how a type differs from the standard. The zero value is the standard.
type dialect struct {
	// choosePrompt asks for the page on which another account can be chosen; default select_account.
	choosePrompt string
	// authParams are added to the authorization request.
	authParams url.Values
	// check refuses a verified ID token that is not for us.
	check func(Config, claims) *fault.Error
	// subject names the person; default "sub".
	subject func(Config, claims) string
	// bearerSubject names the person in an access token, where that differs from the ID token; default what subject says.
	bearerSubject func(Config, claims) string
	// emailVerified decides whether the address is proved; default a JSON true in "email_verified".
	emailVerified func(Config, claims, string) bool
	// explain finds a better sentence for an error; nil keeps the general one.
	explain func(Config, url.Values) *fault.Error
}

func presetOIDC(c Config) Config {
	c.ClientAuth = cmp.Or(c.ClientAuth, authBasic)
	return c
}

func openOIDC(c Config, env Env) (identity.Provider, error) { return newRedirector(c, env, dialect{}) }

func newRedirector(c Config, env Env, d dialect) (*redirector, error) {
	roots, err := loadCA(c.CAFile)
	if err != nil {
		return nil, err
	}
	if env.RedirectURI == "" {
		return nil, errors.New("the redirect URI is missing")
	}
	d.choosePrompt = cmp.Or(d.choosePrompt, "select_account")
	client := newClient(roots, env.Timeout)
	return &redirector{
		cfg: c, names: c.Claims.resolve(), env: env, client: client, dialect: d,
		discovery: &discovery{issuer: c.Issuer, client: client, log: env.Log.With("provider", c.ID), now: env.Now},
		verifier:  verifier{clientID: c.ClientID, now: env.Now},
	}, nil
}

func validateOIDC(c Config, p *fault.Problems) {
	if c.Issuer == "" {
		p.Add("issuer", "Copy the value of issuer from the provider's /.well-known/openid-configuration.", "the issuer is missing")
	} else if err := checkIssuer(c.Issuer); err != nil {
		p.Add("issuer", "Write https://, or http:// for a provider on this machine; no query, no #.", "%v", err)
	}
	validateClient(c, p)
}

// checkIssuer demands what OpenID Connect Discovery section 3 demands of an issuer, and allows cleartext on this machine.
func checkIssuer(issuer string) error {
	if err := checkEndpoint(issuer, true); err != nil {
		return err
	}
	if strings.Contains(issuer, "?") {
		return fmt.Errorf("%q must have no query", issuer)
	}
	return nil
}

// validateClient names the faults in what the provider knows the gateway by.
func validateClient(c Config, p *fault.Problems) {
	if c.ClientID == "" {
		p.Add("client_id", "Register the gateway as a web application with the provider and copy its id.", "the client id is missing")
	}
	hasSecret := c.ClientSecret != "" || c.ClientSecretFile != ""
	switch c.ClientAuth {
	case authBasic, authPost:
		if !hasSecret {
			p.Add("client_secret", "Set client_secret or client_secret_file, or client_auth: none for a public client.", "the client secret is missing")
		}
	case authNone:
		if hasSecret {
			p.Add("client_auth", "Remove the secret, or write client_secret_basic or client_secret_post.", "a client that does not authenticate has no secret")
		}
	case authKeyJWT:
		p.Add("client_auth", "Use client_secret_basic or client_secret_post.", "private_key_jwt is not supported by this version")
	default:
		p.Add("client_auth", "Use client_secret_basic, client_secret_post or none.", "%q is no way to authenticate", c.ClientAuth)
	}
	if c.Logout != logoutProvider && c.Logout != logoutLocal {
		p.Add("logout", "Write provider or local.", "%q is no way to sign out", c.Logout)
	}
	for i, s := range c.Scopes {
		if s == "" || strings.ContainsAny(s, " \t\r\n\"\\") {
			p.Add(fmt.Sprintf("scopes[%d]", i), "Write one scope per entry.", "%q is no scope", s)
		}
	}
}

// Info describes the provider.
func (r *redirector) Info() identity.Info {
	i := r.cfg.info()
	i.Redirects = true
	return i
}

// AuthURL returns where to send the browser (OpenID Connect Core section 3.1.2.1).
func (r *redirector) AuthURL(ctx context.Context, req identity.AuthRequest) (string, error) {
	if req.State == "" || req.Nonce == "" || req.Verifier == "" {
		return "", errors.New("build authorization request: state, nonce or verifier is missing")
	}
	m, err := r.metadata(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(req.Nonce), oauth2.S256ChallengeOption(req.Verifier)}
	for name, values := range r.dialect.authParams {
		options = append(options, oauth2.SetAuthURLParam(name, values[0]))
	}
	prompt := ""
	switch {
	case req.SelectAccount:
		prompt = r.dialect.choosePrompt
		if len(m.Prompts) > 0 && !slices.Contains(m.Prompts, prompt) {
			prompt = "login" // everywhere a page with a way to another account
		}
	case req.ForceLogin:
		prompt = "login"
	}
	if prompt != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", prompt))
	}
	// Entra ID refuses a hint together with the choice of an account, and it would make no sense.
	if req.LoginHint != "" && !req.SelectAccount {
		options = append(options, oauth2.SetAuthURLParam("login_hint", req.LoginHint))
	}
	return r.oauth(m).AuthCodeURL(req.State, options...), nil
}

// oauth is the client for x/oauth2. The authentication style is always set: left to itself the library tries a second time
// with the same code when anything goes wrong.
func (r *redirector) oauth(m *metadata) *oauth2.Config {
	endpoint := oauth2.Endpoint{AuthURL: m.AuthURL, TokenURL: m.TokenURL, AuthStyle: oauth2.AuthStyleInParams}
	if r.cfg.ClientAuth == authBasic {
		endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	scopes := []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail}
	for _, s := range r.cfg.Scopes {
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return &oauth2.Config{
		ClientID: r.cfg.ClientID, ClientSecret: r.cfg.ClientSecret.Reveal(),
		Endpoint: endpoint, RedirectURL: r.env.RedirectURI, Scopes: scopes,
	}
}

// SignOutURL returns the provider's sign-out page (OpenID Connect RP-Initiated Logout 1.0 section 2).
func (r *redirector) SignOutURL(ctx context.Context, idToken, returnTo string) (string, error) {
	if r.cfg.Logout == logoutLocal {
		return "", nil
	}
	m, err := r.metadata(ctx)
	if err != nil {
		return "", err
	}
	if m.EndSessionURL == "" {
		return "", nil
	}
	u, err := url.Parse(m.EndSessionURL)
	if err != nil {
		return "", fmt.Errorf("parse end_session_endpoint: %w", err)
	}
	q := u.Query()
	q.Set("client_id", r.cfg.ClientID)
	q.Set("post_logout_redirect_uri", returnTo)
	if idToken != "" {
		q.Set("id_token_hint", idToken)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Ping finds the provider and its keys.
func (r *redirector) Ping(ctx context.Context) error {
	m, err := r.metadata(ctx)
	if err != nil {
		return err
	}
	if _, _, err := m.keys.known(ctx); err != nil {
		return r.unreachable(err)
	}
	return nil
}

// metadata is discovery with a sentence.
func (r *redirector) metadata(ctx context.Context) (*metadata, error) {
	m, err := r.discovery.get(ctx)
	if err == nil {
		return m, nil
	}
	var wrong *mismatch
	if errors.As(err, &wrong) {
		return nil, r.misconfigured("issuer_mismatch", err)
	}
	return nil, r.unreachable(err)
}
