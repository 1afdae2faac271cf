package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"golang.org/x/crypto/acme/autocert"

	"crmgate/internal/config"
	"crmgate/internal/gateway"
	"crmgate/internal/middleware"
	"crmgate/internal/policy"
	"crmgate/internal/provider"
	"crmgate/internal/proxy"
	"crmgate/internal/signin"
	"crmgate/internal/throttle"
	"crmgate/internal/web"
)

// App is a gateway that is ready to serve.
type App struct {
	*Core
	signer    *proxy.Signer
	upstreams []*proxy.Upstream
	handler   http.Handler
	// acme is nil where certificates come otherwise.
	acme *autocert.Manager
	// front are what the listeners need to run beside them.
	front   []func(context.Context) error
	metrics *metrics
	// checks asks providers again about live sessions.
	checks *signin.Revalidation
}

// Open opens everything the configuration names and wires it together. Nothing listens yet.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger) (*App, error) {
	core, err := OpenCore(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	a := &App{Core: core, metrics: newMetrics()}
	a.checks = &signin.Revalidation{
		Realms: core.Realms, Accounts: core.Accounts, Sessions: core.Sessions, Sealer: core.Sealer, Audit: core.Audit, Log: log,
		Count: a.metrics.check,
	}
	core.Sessions.Checks = a.checks
	if err := a.wire(ctx); err != nil {
		return nil, errors.Join(err, core.Close())
	}
	return a, nil
}

// Wrap puts a handler around the public one, before Serve. The demo shows the caught mail on the same address with it.
func (a *App) Wrap(around func(http.Handler) http.Handler) { a.handler = around(a.handler) }

func (a *App) wire(ctx context.Context) error {
	public, err := url.Parse(a.Config.Server.PublicURL)
	if err != nil {
		return fmt.Errorf("read server.public_url: %w", err)
	}
	if a.acme, err = newACME(a.Config.Server); err != nil {
		return err
	}
	keys, err := a.assertionKeys(ctx)
	if err != nil {
		return err
	}
	if a.signer, err = proxy.NewSigner(keys...); err != nil {
		return err
	}
	gate, err := a.newGateway(public)
	if err != nil {
		return err
	}
	own, err := a.newOwnPages(gate, public)
	if err != nil {
		return err
	}
	gate.Own = own
	trusted, problems := middleware.ParseProxies(a.Config.Server.TrustedProxies)
	if len(problems) > 0 {
		return fmt.Errorf("read server.trusted_proxies: %s", problems[0].Message)
	}
	// From the inside out: what a stranger's request meets first is wrapped last.
	h := middleware.Recover(a.Pages, a.Log, gate)
	h = middleware.AccessLog(a.Log, a.Config.Server.PathPrefix, h)
	a.handler = middleware.Bodies(bodyRest, bodySilence, middleware.Origin(trusted, h))
	return nil
}

// accessOf are the access rules with what another section says about them.
func accessOf(cfg *config.Config) policy.Config {
	access := cfg.Access
	access.FactorFresh = cfg.Factors.Fresh
	return access
}

// newRules are the rules, and the same for upstreams with ignore_case.
func newRules(cfg *config.Config) (rules, folded *policy.Rules, err error) {
	if rules, err = policy.New(accessOf(cfg)); err != nil {
		return nil, nil, err
	}
	folded, err = policy.New(accessOf(cfg).Fold())
	return rules, folded, err
}

// newGateway is the guarded path to the CRM.
func (a *App) newGateway(public *url.URL) (*gateway.Handler, error) {
	rules, folded, err := newRules(a.Config)
	if err != nil {
		return nil, err
	}
	shared := proxy.Shared{
		PublicURL: public, Names: proxy.NewNames(a.Config.Upstreams, a.Sessions.OwnCookies()), Signer: a.signer, Fail: a.Pages,
		Alive: a.Sessions.Alive, Log: a.Log,
	}
	if cleaner := proxy.NewCleaner(a.Config.Upstreams, shared.Names, a.Sessions.Secure); cleaner != nil {
		a.Sessions.Changed = cleaner.Clear
	}
	for _, c := range a.Config.Upstreams {
		u, err := proxy.Open(c, shared)
		if err != nil {
			return nil, err
		}
		a.upstreams = append(a.upstreams, u)
	}
	asking, problems := middleware.ParseProxies(a.Config.Server.ForwardAuth.Proxies)
	if len(problems) > 0 {
		return nil, fmt.Errorf("read server.forward_auth.proxies: %s", problems[0].Message)
	}
	return &gateway.Handler{
		Bearers: &gateway.Bearers{
			Tokens: a.Tokens, Accounts: a.DB, Realms: a.Realms, Known: a.Sessions.Known, Limit: perMinute(60),
		},
		ForwardAuth: gateway.ForwardAuth{Off: !a.Config.Server.ForwardAuth.Enabled, Proxies: asking, Secret: a.Config.Server.ForwardAuth.Secret,
			Redirect: a.Config.Server.ForwardAuth.Redirect},
		Rules: rules, Folded: folded, Routes: gateway.NewRoutes(a.upstreams), Sessions: a.Sessions, Fail: a.Pages, Audit: a.Audit,
		PublicURL: public, Prefix: a.Config.Server.PathPrefix, StrictTransport: a.strictTransport(),
	}, nil
}

// strictTransport is the value of Strict-Transport-Security. Whoever signs in gets it with our pages; the CRM's answers are the CRM's.
func (a *App) strictTransport() string {
	if !a.Sessions.Secure {
		return ""
	}
	return a.Config.Server.HSTS.Value()
}

// newOwnPages is everything below the prefix, and the change-password address.
func (a *App) newOwnPages(gate *gateway.Handler, public *url.URL) (http.Handler, error) {
	cfg, prefix := a.Config, a.Config.Server.PathPrefix
	flow := &signin.Flow{
		Realms: a.Realms, Accounts: a.Accounts, Attempts: a.DB, Sessions: a.Sessions, Audit: a.Audit, Sealer: a.Sealer, Once: a.DB,
		ChangeLocal: a.Accounts.ChangePassword,
		Count:       a.metrics.logout, LocalEnabled: cfg.Local.Enabled, BaseURL: a.baseURL(), Prefix: prefix,
		Factors: a.Factors, Pending: a.DB, IsAdmin: a.isAdmin,
	}
	pages := a.newPages(flow)
	exempt := []string{
		"POST " + prefix + "/callback/{provider}",           // form_post: proves itself by state and browser cookie
		"POST " + prefix + "/logout/backchannel/{provider}", // proves itself by its signature
	}
	protected, err := middleware.CrossOrigin(public, a.Pages, exempt, pages.Routes())
	if err != nil {
		return nil, err
	}
	// A proxy that asks carries the method and the Origin of the request it asks about, so it stands outside the protection of our forms.
	mux := http.NewServeMux()
	mux.Handle(prefix+"/auth", a.Pages.Handle(gate.Forward))
	mux.Handle(prefix+"/auth/", a.Pages.Handle(gate.Forward))
	mux.Handle("/", protected)
	return middleware.SecureHeaders(a.strictTransport(), mux), nil
}

// newPages gives every page its collaborators.
func (a *App) newPages(flow *signin.Flow) *web.Handler {
	cfg, local := a.Config, a.Config.Local
	site := &web.Site{
		Pages: a.Pages, Sessions: a.Sessions, Realms: a.Realms, Prefix: cfg.Server.PathPrefix, BaseURL: a.baseURL(), Secure: a.Sessions.Secure,
		Direct: a.onlyWayIn(), Local: local.Enabled, MailedReset: local.Enabled && local.Reset.Enabled && cfg.Mail.Enabled(), Sealer: a.Sealer,
		// Held-up people behind one office address must not be: the limits are for machines.
		Limits: web.Limits{
			Starts: perMinute(240), Callbacks: perMinute(60), Passwords: perMinute(120), Resets: perMinute(60), Links: perMinute(120),
			Checks:  perMinute(240),
			Logouts: perMinute(240),
		},
	}
	pages := &web.Handler{
		Site:    site,
		SignIn:  web.SignInPages{Site: site, Flow: flow},
		SignOut: web.SignOutPages{Site: site, SignOuts: flow, Logouts: flow, Universal: flow},
		Reset: web.ResetPages{
			Site: site, Accounts: a.Accounts, LinkLifetime: local.Reset.LinkLifetime, RequireUsername: local.Reset.RequireUsername, MailFrom: cfg.Mail.Address(),
		},
		Account: web.AccountPages{
			Site: site, OwnAccount: a.Accounts, OwnSessions: a.Sessions, TokenLifetime: cfg.Tokens.MaxLifetime, Find: a.Accounts.Find, StepUps: flow,
			Notices: a.Accounts, Events: a.DB, Audit: a.Audit, ReportsTo: cfg.Branding.Support.Email != "" && cfg.Mail.Enabled(),
		},
		Factor: web.FactorPages{Site: site, StepUps: flow},
		Help:   web.HelpPages{Site: site, Explain: provider.Explain, LockDuration: local.Lockout.Duration},
		Keys:   func(context.Context) ([]byte, error) { return a.signer.JWKS(), nil },
	}
	if !a.Factors.Off() {
		pages.SignIn.Passkeys, pages.Factor.Factors, pages.Account.OwnFactors = flow, flow, a.Factors
	}
	if cfg.Tokens.Enabled {
		pages.Account.Tokens = a.Tokens
	}
	return pages
}

func perMinute(n int) *throttle.Limiter { return &throttle.Limiter{PerMinute: n} }

// onlyWayIn returns the provider that everybody signs in at, where there is no choice to make: it takes every domain, has a page
// of its own, and nothing else is configured. Otherwise it returns "".
func (a *App) onlyWayIn() string {
	all := a.Realms.All()
	if a.Config.Local.Enabled || len(all) != 1 {
		return ""
	}
	info := all[0].Info()
	for _, d := range info.Domains {
		if d == "*" && info.Redirects {
			return info.ID
		}
	}
	return ""
}

// reloadKeys takes up a key that `crmgate keys rotate` made in another process.
func (a *App) reloadKeys(ctx context.Context) {
	keys, err := a.assertionKeys(ctx)
	if err == nil {
		err = a.signer.Use(keys...)
	}
	if err != nil && ctx.Err() == nil {
		a.Log.Warn("reload assertion keys", "error", err)
	}
}

// Close ends the connections to the CRM and the stores.
func (a *App) Close() error {
	for _, u := range a.upstreams {
		u.Close()
	}
	return a.Core.Close()
}
