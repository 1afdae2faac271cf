package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/bearer"
	"crmgate/internal/config"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
	"crmgate/internal/mfa"
	"crmgate/internal/page"
	"crmgate/internal/policy"
	"crmgate/internal/provider"
	"crmgate/internal/proxy"
	"crmgate/internal/redisstore"
	"crmgate/internal/session"
	"crmgate/internal/sqlstore"
	"crmgate/internal/throttle"
	"crmgate/internal/token"
	"crmgate/templates"
)

// Core is what the server and the administrative commands share.
type Core struct {
	Config   *config.Config
	Log      *slog.Logger
	DB       *sqlstore.DB
	Sessions *session.Manager
	Realms   *identity.Realms
	Pages    *page.Pages
	Mail     *mail.Sender
	Accounts *account.Service
	Factors  *mfa.Service
	events   *countedEvents
	// Tokens are the access tokens of programs.
	Tokens *bearer.Service
	// Admins knows who administers the gateway.
	Admins policy.Admins
	Audit  audit.Recorder
	// Sealer seals what is stored and must come back out.
	Sealer *token.Sealer

	redis *redisstore.Store
}

// partError says which section of the configuration kept the stores from being opened.
type partError struct {
	part string
	error
}

func (e partError) Unwrap() error { return e.error }

// OpenCore opens the stores and puts the rules about accounts on top of them.
func OpenCore(ctx context.Context, cfg *config.Config, log *slog.Logger) (*Core, error) {
	c := &Core{Config: cfg, Log: log}
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Core) open(ctx context.Context) error {
	cfg := c.Config
	var err error
	if c.DB, err = sqlstore.Open(ctx, cfg.Storage, cfg.Server.DataDir); err != nil {
		return err
	}
	c.DB.Log = c.Log
	c.events = newCountedEvents(c.DB, cfg)
	c.Audit = c.events
	if c.Sealer, err = c.openSealer(ctx); err != nil {
		return err
	}
	var store session.Store = c.DB
	if cfg.Session.Store == "redis" {
		if c.redis, err = redisstore.Open(ctx, cfg.Redis); err != nil {
			return partError{"redis", err}
		}
		store = c.redis
	}
	c.Sessions = &session.Manager{Store: store, Together: c.DB.Together, Config: cfg.Session, Secure: strings.HasPrefix(cfg.Server.PublicURL, "https://")}
	if c.Pages, err = page.New(cfg.Branding, templates.FS, cfg.Server.PathPrefix, c.Log); err != nil {
		return err
	}
	if c.Realms, err = c.openProviders(); err != nil {
		return err
	}
	c.Sessions.Known = func(id string) bool {
		if id == account.OwnerLocal {
			return cfg.Local.Enabled
		}
		_, ok := c.Realms.Get(id)
		return ok
	}
	c.Accounts = &account.Service{
		Config: cfg.Local, Store: c.DB, Passwords: c.DB, Tokens: c.DB, Removed: c.DB, NoticeLinks: c.DB, Places: c.DB, Notices: cfg.Notices, SupportEmail: cfg.Branding.Support.Email, Realms: c.Realms, Sessions: c.Sessions, Audit: c.Audit,
		Lockout: &throttle.Lockout{Store: c.DB, Config: cfg.Local.Lockout},
		BaseURL: c.baseURL(), Words: []string{cfg.Branding.Product, cfg.Branding.Organisation}, Log: c.Log,
	}
	c.Tokens = &bearer.Service{Config: cfg.Tokens, Store: c.DB, Audit: c.Audit}
	c.Admins = policy.NewAdmins(cfg.Admins)
	if cfg.Mail.Enabled() {
		// The listeners take their part of the grace first; both together must not outlast it.
		c.Mail = &mail.Sender{Config: cfg.Mail, Renderer: c.Pages, Store: c.DB, Sealer: c.Sealer, Log: c.Log, Grace: cfg.Server.ShutdownGrace / 3}
		c.Accounts.Mail = c.Mail
	}
	if c.Factors, err = c.openFactors(); err != nil {
		return err
	}
	c.Accounts.HasFactor = c.Factors.HasStrong
	return nil
}

// openFactors makes the second factors that the configuration allows.
func (c *Core) openFactors() (*mfa.Service, error) {
	public, err := url.Parse(c.Config.Server.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("read server.public_url: %w", err)
	}
	env := mfa.Env{Config: c.Config.Factors, Public: public, Product: c.Config.Branding.Product}
	if c.Mail != nil {
		env.Mail = c.Accounts
	}
	return mfa.New(env, mfa.Deps{Store: c.DB, Devices: c.DB, Sealer: c.Sealer, Audit: c.Audit, Log: c.Log})
}

// isAdmin reports whether somebody is an administrator.
func (c *Core) isAdmin(email string, groups []string) bool {
	return c.Admins.IsAdmin(policy.Subject{SignedIn: true, Email: email, Groups: groups})
}

// openSealer reads the keys that values are sealed with and makes the first one.
func (c *Core) openSealer(ctx context.Context) (*token.Sealer, error) {
	keys, err := c.DB.ListKeys(ctx, token.SealPurpose)
	if err == nil && len(keys) == 0 {
		if err = c.DB.CreateKey(ctx, token.NewSealKey(time.Now()), true); err == nil {
			keys, err = c.DB.ListKeys(ctx, token.SealPurpose)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open seal keys: %w", err)
	}
	return token.NewSealer(keys...)
}

// openProviders makes every provider; none is asked anything.
func (c *Core) openProviders() (*identity.Realms, error) {
	wantGroups := len(c.Config.Admins.Groups) > 0
	for _, rule := range c.Config.Access.Rules {
		wantGroups = wantGroups || len(rule.Allow.Groups) > 0
	}
	var all []identity.Provider
	for _, pc := range c.Config.Providers {
		p, err := provider.Open(pc, provider.Env{RedirectURI: c.baseURL() + "/callback/" + pc.ID, WantGroups: wantGroups, Log: c.Log})
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return identity.NewRealms(all...), nil
}

// baseURL is where the gateway's own pages are, as the outside sees them.
func (c *Core) baseURL() string {
	return strings.TrimRight(c.Config.Server.PublicURL, "/") + c.Config.Server.PathPrefix
}

// SendAtOnce makes mails go out while their sender waits, for a process that lives for one command.
func (c *Core) SendAtOnce() {
	if c.Mail != nil {
		c.Accounts.Mail = mail.Direct{Sender: c.Mail}
	}
}

// assertionKeys returns the keys of the signed assertion, newest first, and makes the first one.
func (c *Core) assertionKeys(ctx context.Context) ([]token.Key, error) {
	keys, err := c.DB.ListKeys(ctx, proxy.AssertionPurpose)
	if err != nil || len(keys) > 0 {
		return current(keys, time.Now()), err
	}
	k, err := proxy.NewAssertionKey(time.Now())
	if err != nil {
		return nil, err
	}
	if err := c.DB.CreateKey(ctx, k, true); err != nil {
		return nil, err
	}
	return c.DB.ListKeys(ctx, proxy.AssertionPurpose)
}

// keyOverlap is how long a key stays published after its successor was made. Assertions live for minutes; the rest is for caches.
const keyOverlap = 24 * time.Hour

// current returns the newest key and those whose successor is younger than keyOverlap; keys come newest first.
func current(keys []token.Key, now time.Time) []token.Key {
	for i := 1; i < len(keys); i++ {
		if now.Sub(keys[i-1].CreatedAt) > keyOverlap {
			return keys[:i]
		}
	}
	return keys
}

// RotateKeys makes a new key for the assertion and returns its id. Running gateways take it up by themselves. With revokeOld the keys before
// it are withdrawn at once instead of staying published for keyOverlap: whatever they signed is worth nothing.
func (c *Core) RotateKeys(ctx context.Context, actor string, revokeOld bool) (string, error) {
	k, err := proxy.NewAssertionKey(time.Now())
	if err != nil {
		return "", err
	}
	if err := c.DB.CreateKey(ctx, k, false); err != nil {
		return "", fmt.Errorf("store key: %w", err)
	}
	e := audit.Event{Kind: audit.KeysRotated, Actor: actor, Reason: k.ID}
	if revokeOld {
		n, err := c.DB.DeleteKeys(ctx, proxy.AssertionPurpose, k.ID)
		if err != nil {
			return "", fmt.Errorf("withdraw old keys: %w", err)
		}
		e.Detail = fmt.Sprintf("%d older keys withdrawn", n)
	}
	c.Audit.Record(ctx, e)
	return k.ID, nil
}

// Close ends all connections.
func (c *Core) Close() error {
	var errs []error
	if c.redis != nil {
		errs = append(errs, c.redis.Close())
	}
	if c.DB != nil {
		errs = append(errs, c.DB.Close())
	}
	return errors.Join(errs...)
}
