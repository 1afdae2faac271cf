package bearer

import (
	"context"
	"strings"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/policy"
	"crmgate/internal/token"
)

// Prefix begins every personal access token.
const Prefix = "cmg_"

// Token is a personal access token without its secret.
type Token struct {
	// ID names the token; no secret.
	ID        string `json:"id"`
	AccountID string `json:"account_id"`
	// Name is what its owner calls it.
	Name string `json:"name"`
	// Paths are patterns as access rules have them; at least one.
	Paths []string `json:"paths"`
	// Methods are HTTP methods in capitals; empty is every method.
	Methods   []string  `json:"methods"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	// LastUsedAt is moved on at most once a minute; zero for never. LastUsedFrom is the client's address then.
	LastUsedAt   time.Time `json:"last_used_at,omitzero"`
	LastUsedFrom string    `json:"last_used_from,omitempty"`
}

// Scope returns what the token may be used for; nothing where its words cannot be read.
func (t Token) Scope() policy.Scope {
	s, _ := policy.NewScope(t.Paths, t.Methods)
	return s
}

// Store keeps tokens. Implementations are safe for concurrent use by several processes.
type Store interface {
	// CreateAccessToken stores a token with the digest of its secret. An account that is missing is fault.NotFound, one that is disabled
	// fault.Forbidden, one that has limit tokens already fault.Conflict.
	CreateAccessToken(ctx context.Context, t Token, digest string, limit int) error
	// FindAccessToken returns the token with a digest, ended or not, or fault.NotFound.
	FindAccessToken(ctx context.Context, digest string) (Token, error)
	// ListAccessTokens returns the tokens of an account, or of everybody for "", newest first.
	ListAccessTokens(ctx context.Context, accountID string) ([]Token, error)
	// TouchAccessToken notes a use; one that is gone stays gone and is no error.
	TouchAccessToken(ctx context.Context, id string, at time.Time, address string) error
	// DeleteAccessToken removes a token of an account, or of anybody for "". One that is missing is fault.NotFound.
	DeleteAccessToken(ctx context.Context, accountID, id string) error
	// SweepAccessTokens removes what ended before a moment and returns how many.
	SweepAccessTokens(ctx context.Context, before time.Time) (int, error)
}

// Config is the `tokens` section.
type Config struct {
	Enabled     bool          `json:"enabled" jsonschema:"Personal access tokens open the CRM to programs."`
	MaxLifetime time.Duration `json:"max_lifetime" jsonschema:"The longest that a token may live; a year at most."`
	// OwnerSeen is how long ago the owner may have signed in, where a provider owns the account; 0 does not ask.
	OwnerSeen     time.Duration `json:"owner_seen" jsonschema:"A token of a corporate account sleeps when its owner has not signed in for this long; 0 never."`
	MaxPerAccount int           `json:"max_per_account" jsonschema:"How many tokens one account may have."`
}

const year = 366 * 24 * time.Hour

// Default returns the section's defaults.
func (Config) Default() Config {
	return Config{Enabled: true, MaxLifetime: 365 * 24 * time.Hour, OwnerSeen: 30 * 24 * time.Hour, MaxPerAccount: 20}
}

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var p fault.Problems
	if c.MaxLifetime < time.Minute || c.MaxLifetime > year {
		p.Add("max_lifetime", "Write a duration up to 365d.", "%v is no lifetime for a token", c.MaxLifetime)
	}
	if c.OwnerSeen < 0 {
		p.Add("owner_seen", "Write a duration such as 30d, or 0.", "%v is negative", c.OwnerSeen)
	}
	if c.MaxPerAccount < 1 || c.MaxPerAccount > 1000 {
		p.Add("max_per_account", "Write a number from 1 to 1000.", "%d is no limit", c.MaxPerAccount)
	}
	return p
}

// Looks reports whether a credential claims to be one of ours, well-formed or not.
func Looks(credential string) bool { return strings.HasPrefix(credential, Prefix) }

// Within reports whether a text holds what could be one of ours.
func Within(text string) bool {
	for {
		_, rest, found := strings.Cut(text, Prefix)
		if !found {
			return false
		}
		end := strings.IndexFunc(rest, func(c rune) bool {
			return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
		})
		if end < 0 {
			end = len(rest)
		}
		if token.WellFormed(rest[:end]) {
			return true
		}
		text = rest
	}
}

// wellFormed reports whether a credential could have come from newSecret.
func wellFormed(credential string) bool {
	return Looks(credential) && token.WellFormed(credential[len(Prefix):])
}
