package audit

import (
	"context"
	"time"
)

// Kind names what happened.
type Kind string

// The kinds of event.
const (
	SignIn          Kind = "sign_in"
	SignInRefused   Kind = "sign_in_refused"
	SignOut         Kind = "sign_out"
	SessionRevoked  Kind = "session_revoked"
	AccountCreated  Kind = "account_created"
	AccountUpdated  Kind = "account_updated"
	AccountDisabled Kind = "account_disabled"
	AccountEnabled  Kind = "account_enabled"
	AccountDeleted  Kind = "account_deleted"
	AccountRestored Kind = "account_restored"
	AccountLocked   Kind = "account_locked"
	AccountUnlocked Kind = "account_unlocked"
	Invited         Kind = "invited"
	ResetRequested  Kind = "reset_requested"
	ResetWithdrawn  Kind = "reset_withdrawn"
	PasswordSet     Kind = "password_set"
	AccessRefused   Kind = "access_refused"
	KeysRotated     Kind = "keys_rotated"

	FactorAdded      Kind = "factor_added"
	FactorRemoved    Kind = "factor_removed"
	FactorProven     Kind = "factor_proven"
	FactorRefused    Kind = "factor_refused"
	FactorLocked     Kind = "factor_locked"
	SteppedUp        Kind = "stepped_up"
	FactorsCleared   Kind = "factors_cleared"
	PasskeyCopied    Kind = "passkey_copied"
	RecoveryIssued   Kind = "recovery_issued"
	DeviceRemembered Kind = "device_remembered"
	DeviceForgotten  Kind = "device_forgotten"

	// NewDevice is a sign-in from a browser or a network that the account did not know; NotMe is an owner who says that somebody else was
	// in the account.
	NewDevice Kind = "new_device"
	NotMe     Kind = "not_me"

	// An access token of a person was made, or ended before its time.
	TokenCreated Kind = "token_created"
	TokenRevoked Kind = "token_revoked"
)

// Event is one thing that happened.
type Event struct {
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	// AccountID is whom it concerns; empty where nobody was recognised.
	AccountID string `json:"account_id,omitempty"`
	// Identifier is what was typed, where no account was recognised.
	Identifier string `json:"identifier,omitempty"`
	// Actor is who did it: an account id, "cli", a provider id where the provider did, or empty for the person themselves.
	Actor string `json:"actor,omitempty"`
	// Provider is the provider id or "local".
	Provider string `json:"provider,omitempty"`
	// Reason is a fixed word, such as "wrong_password".
	Reason string `json:"reason,omitempty"`
	// Address is the client's IP address without port.
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	// Reference is the request id that error pages and log lines show.
	Reference string `json:"reference,omitempty"`
	// Rule is the access rule that decided, and Request what was asked for: method and path, never the query.
	Rule    string `json:"rule,omitempty"`
	Request string `json:"request,omitempty"`
	// Detail says more, such as which conditions of the rule failed; for people to read.
	Detail string `json:"detail,omitempty"`
}

// Recorder takes events. Record is safe for concurrent use, does not fail, and fills Time when it is zero.
type Recorder interface {
	Record(ctx context.Context, e Event)
}

// Discard is a Recorder that forgets; for tests.
var Discard Recorder = discard{}

type discard struct{}

func (discard) Record(context.Context, Event) {}

// From returns e with its Address, UserAgent and Reference taken from ctx where they are empty.
func (e Event) From(ctx context.Context) Event {
	o := OriginOf(ctx)
	if e.Address == "" {
		e.Address = o.Address
	}
	if e.UserAgent == "" {
		e.UserAgent = o.UserAgent
	}
	if e.Reference == "" {
		e.Reference = o.Reference
	}
	return e
}
