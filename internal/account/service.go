package account

import (
	"context"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
	"crmgate/internal/throttle"
)

// Config is the `local` section.
type Config struct {
	Enabled            bool            `json:"enabled"`
	Password           PasswordConfig  `json:"password"`
	Reset              ResetConfig     `json:"reset"`
	InvitationLifetime time.Duration   `json:"invitation_lifetime"`
	Lockout            throttle.Config `json:"lockout"`
}

// PasswordConfig is `local.password`.
type PasswordConfig struct {
	// MinLength counts characters.
	MinLength int `json:"min_length"`
	// History is how many former passwords may not come back.
	History int `json:"history"`
	// BlocklistFile has one refused password a line.
	BlocklistFile string `json:"blocklist_file"`
}

// ResetConfig is `local.reset`.
type ResetConfig struct {
	Enabled      bool          `json:"enabled"`
	LinkLifetime time.Duration `json:"link_lifetime"`
}

// Default returns the section's defaults.
func (Config) Default() Config {
	return Config{
		Enabled:            true,
		Password:           PasswordConfig{MinLength: 15, History: 5},
		Reset:              ResetConfig{Enabled: true, LinkLifetime: 30 * time.Minute},
		InvitationLifetime: 72 * time.Hour,
		Lockout:            throttle.Config{}.Default(),
	}
}

// Validate names every fault.
func (c Config) Validate() fault.Problems { return nil }

// Sessions ends sessions; session.Manager is one.
type Sessions interface {
	// EndAccount ends an account's sessions but for one id, which may be "".
	EndAccount(ctx context.Context, accountID, except string) error
}

// Mailer queues mails; mail.Sender is one.
type Mailer interface {
	// Send queues a message and does not wait for the mail server.
	Send(ctx context.Context, m mail.Message) error
}

// Service holds the rules about accounts.
type Service struct {
	Config    Config
	Store     Store
	Passwords PasswordStore
	Tokens    TokenStore
	Realms    *identity.Realms
	Sessions  Sessions
	Lockout   *throttle.Lockout
	// Mail is nil where no mail server is configured: then links are only printed by the command line.
	Mail  Mailer
	Audit audit.Recorder
	// BaseURL is public_url plus path_prefix, the only source of links.
	BaseURL string
	// Words are refused as passwords beside the built-in list: the product's and the organisation's names.
	Words []string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Admit finds or creates the account of a corporate identity, or refuses with a sentence. It updates the profile when the
// provider's has changed, and records LastSignIn.
func (s *Service) Admit(ctx context.Context, id identity.Identity) (*Account, error) {
	return nil, nil
}

// HasLocal reports whether an identifier names a local account that could sign in. Its answer must never reach a stranger; the
// sign-in flow uses it to choose between a directory and the local check for names without a domain.
func (s *Service) HasLocal(ctx context.Context, identifier string) (bool, error) { return false, nil }

// CheckPassword signs a local person in. Wrong password, unknown name, locked and not yet activated are all
// identity.ErrWrongPassword, after the same work.
func (s *Service) CheckPassword(ctx context.Context, identifier, password string) (*Account, error) {
	return nil, identity.ErrWrongPassword
}

// ResetAnswer is what the page may say after somebody asked for a reset.
type ResetAnswer struct {
	// Provider is set where the address's domain belongs to a provider: the page says to reset the password there.
	Provider *identity.Info
}

// RequestReset answers a request for a reset at once. Unless the address belongs to a provider, what follows (a link by
// mail, a mail that names the provider, or nothing) happens in the background.
func (s *Service) RequestReset(ctx context.Context, identifier string) (ResetAnswer, error) {
	return ResetAnswer{}, nil
}

// IssueReset makes a reset link for a local account and mails it where mail is on. An account that a provider owns is
// fault.Conflict with a sentence that names the provider.
func (s *Service) IssueReset(ctx context.Context, accountID, actor string) (link string, err error) {
	return "", nil
}

// Invitation is a new local account to be.
type Invitation struct {
	Email, Name, Username string
	Groups                []string
}

// Invite creates a local account without a password, or invites one again that never had one, and mails the link where mail is on.
func (s *Service) Invite(ctx context.Context, inv Invitation, actor string) (a *Account, link string, err error) {
	return nil, "", nil
}

// PeekToken returns the account behind a one-time token that is still good, without using it; fault.Expired otherwise.
func (s *Service) PeekToken(ctx context.Context, p Purpose, token string) (*Account, error) {
	return nil, fault.New(fault.Expired, "This link no longer works.")
}

// RedeemToken sets the password with a one-time token. A password that breaks the rules is a *PasswordError and leaves the token good.
// Afterwards all sessions of the account are ended and the person is told by mail.
func (s *Service) RedeemToken(ctx context.Context, p Purpose, token, password string) (*Account, error) {
	return nil, nil
}

// PasswordError says in a sentence why a new password was refused and what to do.
type PasswordError struct{ Sentence string }

// Error returns the sentence.
func (e *PasswordError) Error() string { return e.Sentence }

// Find returns the accounts with an address or, where there is none, the local one with that username.
func (s *Service) Find(ctx context.Context, identifier string) ([]*Account, error) { return nil, nil }

// Disable keeps an account out at once: its sessions end and its one-time links die.
func (s *Service) Disable(ctx context.Context, id, actor string) error { return nil }

// Enable lets a disabled account in again.
func (s *Service) Enable(ctx context.Context, id, actor string) error { return nil }

// Unlock ends a lockout.
func (s *Service) Unlock(ctx context.Context, id, actor string) error { return nil }

// Revoke ends every session of an account.
func (s *Service) Revoke(ctx context.Context, id, actor string) error { return nil }

// LockedUntil returns when the lockout of a local account ends, zero where there is none.
func (s *Service) LockedUntil(ctx context.Context, a *Account) (time.Time, error) {
	return time.Time{}, nil
}

// Run does the background work of RequestReset until ctx ends.
func (s *Service) Run(ctx context.Context) error { <-ctx.Done(); return nil }
