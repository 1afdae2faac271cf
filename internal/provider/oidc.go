package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

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
	auth      clientAuth
	log       *slog.Logger
	now       func() time.Time
}

// dialect is how a type differs from the standard. The zero value is the standard.
type dialect struct {
	// choosePrompt asks for the page on which another account can be chosen; default select_account.
	choosePrompt string
	// tunePrompt puts a prompt, which may be empty, into this type's words.
	tunePrompt func(prompt string) string
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
	// authority is set where the provider speaks for several issuers.
	authority authority
	// moreGroups finds groups that the claims do not hold; ok is false where the claims say all there is to say. With it the userinfo
	// endpoint is not asked for groups.
	moreGroups func(ctx context.Context, m *metadata, all claims, accessToken string) (groups []string, ok bool, err error)
	// sawGroups looks at the groups claim as it came.
	sawGroups func(all claims, groups []string)
	// ping tries what a sign-in needs beside the provider itself.
	ping func(ctx context.Context) error
	// enrich adds what only this type tells about a person.
	enrich func(Config, claims, *identity.Identity)
	// claims are other names of claims; the configuration goes before them. A name here does not make the groups wanted.
	claims ClaimsConfig
	// groupKeys reads a groups claim that is an object: its keys are the groups.
	groupKeys bool
	// noUserinfo never asks the userinfo endpoint, because it knows nothing.
	noUserinfo bool
	// noOffline leaves offline_access out also where the provider lists it.
	noOffline bool
	// assertIssuer makes the issuer the audience of client assertions; default the token endpoint.
	assertIssuer bool
	// sidAlone takes a front-channel request that names a session without the issuer.
	sidAlone bool
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
	auth, err := newClientAuth(c, d, env.Now)
	if err != nil {
		return nil, err
	}
	client := newClient(roots, env.Timeout)
	return &redirector{
		cfg: c, names: c.Claims.resolve(d.claims), env: env, client: client, dialect: d, auth: auth,
		log: env.Log.With("provider", c.ID), now: env.Now,
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
	validateClient(c.RedirectConfig, p)
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

// validateClient names the faults in what the provider knows the gateway by and in what it is asked.
func validateClient(c RedirectConfig, p *fault.Problems) {
	c.ClientConfig.validate(p)
	c.Request.validate(p)
	if c.Logout != logoutProvider && c.Logout != logoutLocal {
		p.Add("logout", "Write provider or local.", "%q is no way to sign out", c.Logout)
	}
	for i, s := range c.Scopes {
		if s == "" || strings.ContainsAny(s, " \t\r\n\"\\") {
			p.Add(fmt.Sprintf("scopes[%d]", i), "Write one scope per entry.", "%q is no scope", s)
		}
	}
}

// validate names the faults in what the provider knows the gateway by.
func (c ClientConfig) validate(p *fault.Problems) {
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
		c.validateKey(hasSecret, p)
	default:
		p.Add("client_auth", "Use client_secret_basic, client_secret_post, private_key_jwt or none.", "%q is no way to authenticate", c.ClientAuth)
	}
	if c.ClientAuth != authKeyJWT && (c.ClientKeyFile != "" || c.ClientCertificateFile != "") {
		p.Add("client_auth", "Write private_key_jwt, or remove client_key_file and client_certificate_file.", "the client key would not be used")
	}
}

func (c ClientConfig) validateKey(hasSecret bool, p *fault.Problems) {
	if hasSecret {
		p.Add("client_auth", "Remove the secret, or write client_secret_basic or client_secret_post.", "a client with a key has no secret")
	}
	if c.ClientKeyFile == "" {
		p.Add("client_key_file", "Name a PEM file, such as one from: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "the client's private key is missing")
		return
	}
	if _, err := loadClientKey(c.ClientKeyFile, c.ClientCertificateFile); err != nil {
		p.Add("client_key_file", "Name a readable PEM file with a private key (RSA of 2048 bits or more, P-256, P-384 or Ed25519), and with client_certificate_file the certificate of that key.", "%v", err)
	}
}

// Info describes the provider.
func (r *redirector) Info() identity.Info {
	i := r.cfg.info()
	i.Redirects = true
	i.FormPost = r.cfg.Request.ResponseMode == modeFormPost
	return i
}

// SignOutURL returns the provider's sign-out page (OpenID Connect RP-Initiated Logout 1.0 section 2).
func (r *redirector) SignOutURL(ctx context.Context, out identity.SignOut) (string, error) {
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
	q.Set("post_logout_redirect_uri", out.ReturnTo)
	for name, value := range map[string]string{
		"id_token_hint": out.IDToken, "state": out.State, "logout_hint": logoutHint(out.IDToken),
	} {
		if value != "" {
			q.Set(name, value)
		}
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
	if r.dialect.ping != nil {
		return r.dialect.ping(ctx)
	}
	return nil
}

// metadata is discovery with a sentence.
func (r *redirector) metadata(ctx context.Context) (*metadata, error) {
	m, err := r.discovery.get(ctx)
	return m, r.undiscovered(err)
}

// undiscovered puts what went wrong with discovery into a sentence; nil stays nil.
func (r *redirector) undiscovered(err error) error {
	var wrong *mismatch
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return r.misconfigured("issuer_mismatch", err)
	}
	return r.unreachable(err)
}
