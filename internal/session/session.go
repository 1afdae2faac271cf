package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"crmgate/internal/fault"
)

// Session is one browser signed in. A Session that came from a Store or a Manager is never changed.
type Session struct {
	// ID names the session; no secret.
	ID string
	// SecretDigest is the SHA-256 (hex) of the secret half of the cookie.
	SecretDigest string
	// Binding stands for the session where something is bound to it for its whole life and must not be guessed: the digest of its first
	// secret. Empty where that is still SecretDigest; Bound returns either.
	Binding string

	AccountID string
	Email     string
	// EmailDoubtful is true where the provider said that it has not verified Email and does not own its domain: nothing may be
	// allowed because of it.
	EmailDoubtful bool
	Name          string
	Username      string
	Groups        []string
	// Provider is the provider id or "local".
	Provider string
	// Issuer, Subject and ProviderSession ("sid") are the provider's names, for logout; empty for local sessions.
	Issuer, Subject, ProviderSession string
	// IDToken is kept for id_token_hint. Never shown.
	IDToken string
	// AMR are the methods used (RFC 8176).
	AMR []string
	// Grant is what the provider is asked with again (identity.Grant), sealed; empty where nothing can be asked. Never shown.
	Grant string
	// CheckedAt is when the provider last confirmed the person; at the start, when they signed in.
	CheckedAt time.Time
	// CheckAfter is the earliest time for the next question to the provider: while one is being asked, and for a while after one that was
	// not answered. UnansweredSince is when the provider stopped answering, zero while it answers.
	CheckAfter, UnansweredSince time.Time
	// FactorAt is when the person last proved a second factor to us, zero where they did not.
	FactorAt time.Time
	// Device names the remembered device that stood in for a second factor; empty for none.
	Device string
	// PasswordExpires and PasswordChangeURL are the provider's word about its password; zero where it says nothing.
	PasswordExpires   time.Time
	PasswordChangeURL string

	// LastSignIn is when the account was signed in to before this session, zero for never.
	LastSignIn time.Time
	SignedInAt time.Time
	// AuthTime is when the person last proved who they are.
	AuthTime time.Time
	// LastSeen is moved on at most once a minute.
	LastSeen time.Time
	// ExpiresAt is the absolute end; IdleTimeout after LastSeen is the other one.
	ExpiresAt   time.Time
	IdleTimeout time.Duration

	Address   string
	UserAgent string
	// Remember keeps the cookie when the browser closes.
	Remember bool
}

// Live reports whether the session may still be used at a moment.
func (s *Session) Live(now time.Time) bool {
	return now.Before(s.ExpiresAt) && now.Before(s.LastSeen.Add(s.IdleTimeout))
}

// Bound returns what stands for the session for its whole life, also where Manager.Renew has given it another secret. Never shown.
func (s *Session) Bound() string { return cmp.Or(s.Binding, s.SecretDigest) }

// Keep gives s the fields that UpdateSession does not change back from before; for stores.
func (s *Session) Keep(before *Session) {
	s.ID, s.SecretDigest, s.Binding = before.ID, before.SecretDigest, before.Binding
	s.Renewed(before)
}

// Renewed is Keep but for what names the session, for RenewSession.
func (s *Session) Renewed(before *Session) {
	s.AccountID, s.Provider = before.AccountID, before.Provider
	s.Issuer, s.Subject, s.ProviderSession = before.Issuer, before.Subject, before.ProviderSession
	s.SignedInAt, s.LastSeen, s.ExpiresAt = before.SignedInAt, before.LastSeen, before.ExpiresAt
}

// Ended names a session that ended and whose it was.
type Ended struct{ ID, AccountID string }

// Store keeps sessions. Implementations are safe for concurrent use by several processes and translate a missing record to
// fault.NotFound. A session past its ExpiresAt may be gone at any time.
type Store interface {
	// CreateSession stores a new session.
	CreateSession(ctx context.Context, s *Session) error
	// GetSession returns a session by id, or fault.NotFound.
	GetSession(ctx context.Context, id string) (*Session, error)
	// TouchSession moves LastSeen on (never back). A session that is gone stays gone: fault.NotFound.
	TouchSession(ctx context.Context, id string, seen time.Time) error
	// UpdateSession reads, changes and writes in one step, and returns what was written; a session that is gone is fault.NotFound and stays
	// gone. What Session.Keep names stays as it was whatever change does. Where change returns an error nothing is written. Change may be
	// called more than once.
	UpdateSession(ctx context.Context, id string, change func(*Session) error) (*Session, error)
	// RenewSession is UpdateSession that also takes over the ID, SecretDigest and Binding that change sets: in one step the session is gone under
	// its former id and there under the new one, and stands under that wherever it stood before.
	RenewSession(ctx context.Context, id string, change func(*Session) error) (*Session, error)
	// DeleteSession ends one session; one that is gone is no error.
	DeleteSession(ctx context.Context, id string) error
	// DeleteAccountSessions ends the sessions of an account but for one id, which may be "". It returns the ids it ended.
	DeleteAccountSessions(ctx context.Context, accountID, except string) ([]string, error)
	// DeleteProviderSessions ends what a provider signed in, and returns what ended. Where sid is given, the sessions of that provider session
	// alone; otherwise all of that subject, which must not be "" then. An issuer narrows both; "" is every one.
	DeleteProviderSessions(ctx context.Context, provider, issuer, subject, sid string) ([]Ended, error)
	// ListSessions returns the sessions of an account, or of everybody for "", newest first.
	ListSessions(ctx context.Context, accountID string) ([]*Session, error)
	// SweepSessions removes what expired before now and returns how many.
	SweepSessions(ctx context.Context, now time.Time) (int, error)
}

// Config is the `session` section.
type Config struct {
	// Store is "sql" or "redis".
	Store string `json:"store"`
	// IdleTimeout ends a session that is not used.
	IdleTimeout time.Duration `json:"idle_timeout"`
	// AbsoluteTimeout ends every session.
	AbsoluteTimeout time.Duration `json:"absolute_timeout"`
	// RememberTimeout takes the place of both for a person who asked to stay signed in.
	RememberTimeout time.Duration `json:"remember_timeout"`
	// MaxPerAccount ends the oldest session when an account has more; 0 is no limit.
	MaxPerAccount int `json:"max_per_account"`
	// ClearSiteData is what a browser is told to forget of this site at sign-out: cache, cookies, storage, clientHints, or "*".
	ClearSiteData []string `json:"clear_site_data"`
}

// siteData is what Clear-Site-Data knows (W3C, Clear Site Data, 3.1), but for what would close other tabs.
var siteData = []string{"cache", "cookies", "storage", "clientHints", "*"}

// Default returns the section's defaults.
func (Config) Default() Config {
	return Config{Store: "sql", IdleTimeout: 8 * time.Hour, AbsoluteTimeout: 24 * time.Hour, RememberTimeout: 30 * 24 * time.Hour}
}

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var p fault.Problems
	if c.Store != "sql" && c.Store != "redis" {
		p.Add("store", "Write sql or redis.", "%q is no session store", c.Store)
	}
	for _, d := range []struct {
		path  string
		value time.Duration
	}{{"idle_timeout", c.IdleTimeout}, {"absolute_timeout", c.AbsoluteTimeout}, {"remember_timeout", c.RememberTimeout}} {
		if d.value < time.Second {
			p.Add(d.path, "Write a duration such as 8h or 30d.", "%v is too short: sessions would end as they begin", d.value)
		}
	}
	if c.IdleTimeout > c.AbsoluteTimeout && c.AbsoluteTimeout >= time.Second {
		p = append(p, fault.Problem{Path: "idle_timeout", Warning: true,
			Message: "idle_timeout is longer than absolute_timeout and never takes effect"})
	}
	for i, d := range c.ClearSiteData {
		if !slices.Contains(siteData, d) {
			p.Add(fmt.Sprintf("clear_site_data[%d]", i), "Known: "+strings.Join(siteData, ", ")+".", "%q is not known", d)
		}
	}
	if c.MaxPerAccount < 0 {
		p.Add("max_per_account", "Write 0 for no limit.", "%d is negative", c.MaxPerAccount)
	}
	return p
}
