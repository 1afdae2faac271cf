package account

import (
	"context"
	"time"
)

// OwnerLocal is the owner of accounts that sign in with a local password.
const OwnerLocal = "local"

// State says whether an account may be used.
type State string

// The states of an account.
const (
	// Invited accounts have no password yet.
	Invited  State = "invited"
	Active   State = "active"
	Disabled State = "disabled"
)

// Account is the gateway's record of one person.
type Account struct {
	// ID never changes and is never used again.
	ID string `json:"id"`
	// Owner is OwnerLocal or a provider id.
	Owner string `json:"owner"`
	// Email and Username are normalized (identity.Normalize). Username is empty for those who have none.
	Email    string `json:"email"`
	Username string `json:"username,omitempty"`
	Name     string `json:"name"`
	// Groups are those of a local account. A provider's come with each sign-in and belong to the session; what stands here is what it said at
	// the last one, for access tokens.
	Groups     []string  `json:"groups"`
	State      State     `json:"state"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	LastSignIn time.Time `json:"last_sign_in,omitzero"`
	// DeletedAt is when the account was removed, zero for one that is there. A removed account is Disabled and has no names that can be
	// typed; RestoreAccount brings it back.
	DeletedAt time.Time `json:"deleted_at,omitzero"`

	// PasswordChangedAt is when the password that Service.CheckPassword has just proven was set. Stores leave it out.
	PasswordChangedAt time.Time `json:"-"`
	// PasswordExpires is when that password must be changed, zero for never.
	PasswordExpires time.Time `json:"-"`
}

// Local is the right to hold a local password. Its zero value holds none; Account.Local is the only source of others.
type Local struct{ id string }

// AccountID names the account.
func (l Local) AccountID() string { return l.id }

// Local returns the right to hold a password, and false for an account that a provider owns.
func (a *Account) Local() (Local, bool) {
	if a == nil || a.ID == "" || a.Owner != OwnerLocal {
		return Local{}, false
	}
	return Local{id: a.ID}, true
}

// Link ties an account to a corporate identity. The three together are unique.
type Link struct {
	Provider, Issuer, Subject string
}

// Filter narrows a listing; its zero value is everybody.
type Filter struct {
	Email, Owner string
	State        State
	// Deleted lists removed accounts instead of those that are there.
	Deleted bool
}

// Store keeps accounts and links. Implementations are safe for concurrent use by several processes, return fault.NotFound
// for what is missing and fault.Conflict for what exists already.
type Store interface {
	// CreateAccount stores a new account, with its link where one is given, in one step. Two local accounts may share neither
	// address nor username, nor may one's username be another's address; two accounts may not share a link.
	CreateAccount(ctx context.Context, a *Account, link *Link) error
	// GetAccount returns an account by id, also a removed one.
	GetAccount(ctx context.Context, id string) (*Account, error)
	// FindLocal returns the local account whose address or username is the normalized identifier.
	FindLocal(ctx context.Context, identifier string) (*Account, error)
	// FindByLink returns the account a corporate identity is tied to, also a removed one.
	FindByLink(ctx context.Context, l Link) (*Account, error)
	// ListAccounts returns the accounts that a filter lets through, by address.
	ListAccounts(ctx context.Context, f Filter) ([]*Account, error)
	// UpdateAccount reads, changes and writes in one step, and returns what was written. ID, Owner and CreatedAt stay as they were
	// whatever change does. Where change returns an error nothing is written. An account that is disabled, or whose address changes,
	// loses its one-time tokens. Change may be called more than once.
	UpdateAccount(ctx context.Context, id string, change func(*Account) error) (*Account, error)
	// AdoptAccount hands a local account to a provider in one step: owner and link are set, password and one-time tokens
	// are gone. An account that is not local is fault.Conflict.
	AdoptAccount(ctx context.Context, id string, link Link) (*Account, error)
	// DeleteAccount removes an account and all that hangs on it.
	DeleteAccount(ctx context.Context, id string) error
}

// RemovedStore keeps removed accounts for a while. Implementations are safe for concurrent use by several processes.
type RemovedStore interface {
	// RemoveAccount disables an account, frees its names for others and ends its one-time tokens, in one step. An account that was
	// removed already stays as it is.
	RemoveAccount(ctx context.Context, id string, now time.Time) error
	// RestoreAccount gives a removed account its names and state back. Where another account has one of the names by now it is
	// fault.Conflict, and one that was not removed is fault.NotFound.
	RestoreAccount(ctx context.Context, id string, now time.Time) (*Account, error)
	// PurgeAccounts deletes what was removed before a moment for good and returns how many.
	PurgeAccounts(ctx context.Context, before time.Time) (int, error)
}

// Password is a stored password.
type Password struct {
	// Hash is a PHC string, or empty where none was set yet.
	Hash string
	// Previous are the hashes before it, newest first.
	Previous  []string
	ChangedAt time.Time
}

// PasswordStore keeps the passwords of local accounts.
type PasswordStore interface {
	// GetPassword returns the password, zero where none is set.
	GetPassword(ctx context.Context, l Local) (Password, error)
	// SetPassword replaces the hash, keeps up to history former ones, makes an invited account active, and removes every one-time
	// token of the account, in one step. A disabled account is fault.Forbidden.
	SetPassword(ctx context.Context, l Local, hash string, history int, now time.Time) error
	// ReplacePassword is SetPassword unless the hash is no longer old: of many who change one password exactly one succeeds, and the
	// others get fault.Conflict.
	ReplacePassword(ctx context.Context, l Local, old, hash string, history int, now time.Time) error
	// UpgradeHash replaces the hash by one of the same password with newer parameters, unless it has changed meanwhile.
	UpgradeHash(ctx context.Context, l Local, old, hash string) error
}

// Purpose is what a one-time token is good for.
type Purpose string

// The purposes of one-time tokens.
const (
	ForReset      Purpose = "reset"
	ForInvitation Purpose = "invitation"
	// ForWithdrawal ends a request for a reset that its owner did not make.
	ForWithdrawal Purpose = "withdrawal"
)

// OneTime is a one-time token as it is stored: never the token, only its digest.
type OneTime struct {
	Digest    string
	AccountID string
	Purpose   Purpose
	CreatedAt time.Time
	ExpiresAt time.Time
	// Address is the client that asked for it; empty for the command line.
	Address string
}

// TokenStore keeps one-time tokens.
type TokenStore interface {
	// CreateToken stores a token for a local account and removes older ones of the same account and purpose. A disabled account is
	// fault.Forbidden, one that a provider owns by now fault.Conflict.
	CreateToken(ctx context.Context, l Local, t OneTime) error
	// GetToken returns a token that is good at now, without using it, or fault.NotFound.
	GetToken(ctx context.Context, digest string, p Purpose, now time.Time) (OneTime, error)
	// RedeemToken uses a token up and sets the account's password as SetPassword does, all in one step: of many callers with
	// one token exactly one succeeds and the others get fault.NotFound, and so does everybody when the account is no longer local
	// or is disabled. It returns the account id.
	RedeemToken(ctx context.Context, digest string, p Purpose, now time.Time, hash string, history int) (string, error)
	// WithdrawReset uses a token ForWithdrawal up and removes the account's tokens ForReset in the same step: of many callers with one
	// token exactly one succeeds and the others get fault.NotFound. It returns the account id.
	WithdrawReset(ctx context.Context, digest string, now time.Time) (string, error)
	// SweepTokens removes what expired before now and returns how many.
	SweepTokens(ctx context.Context, now time.Time) (int, error)
}
