package mfa

import (
	"context"
	"time"
)

// Enrolment is one factor of one account, as it is stored.
type Enrolment struct {
	ID        string `json:"id"`
	AccountID string `json:"-"`
	Kind      Kind   `json:"kind"`
	// Name is what the person calls it.
	Name string `json:"name"`
	// Lookup is the digest of what finds it without its account, empty for none; no two enrolments share one.
	Lookup string `json:"-"`
	// Secret is the factor's own, sealed for the account.
	Secret    string    `json:"-"`
	CreatedAt time.Time `json:"created_at"`
	// UsedAt is zero for one that was never used.
	UsedAt time.Time `json:"used_at,omitzero"`
}

// Device is a browser that stands in for the second factor of one account.
type Device struct {
	ID        string `json:"id"`
	AccountID string `json:"-"`
	// Digest is that of the secret in the browser's cookie.
	Digest string `json:"-"`
	// Name is how the browser described itself when it was remembered, Address where it was.
	Name      string    `json:"name"`
	Address   string    `json:"address"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Store keeps factors. Implementations are safe for concurrent use by several processes and return fault.NotFound for what is missing. What
// belongs to an account goes with it, and when a provider takes a local account over.
type Store interface {
	// CreateFactor stores a factor. An account that has most of them already, or one whose Lookup is taken, is fault.Conflict; so is,
	// with onlyFirst, an account that has one already, those of kind Recovery aside. Of many that come at once with onlyFirst one
	// succeeds.
	CreateFactor(ctx context.Context, e Enrolment, most int, onlyFirst bool) error
	// ListFactors returns an account's factors, oldest first.
	ListFactors(ctx context.Context, accountID string) ([]Enrolment, error)
	// FindFactor returns the factor with a Lookup.
	FindFactor(ctx context.Context, lookup string) (Enrolment, error)
	// UpdateFactor reads, changes and writes in one step. Only Name, Secret and UsedAt change. Where change returns an error nothing is
	// written. Change may be called more than once.
	UpdateFactor(ctx context.Context, accountID, id string, change func(*Enrolment) error) (Enrolment, error)
	// DeleteFactor removes one factor of an account.
	DeleteFactor(ctx context.Context, accountID, id string) error
	// DeleteFactors removes every factor and device of an account and returns how many factors there were.
	DeleteFactors(ctx context.Context, accountID string) (int, error)
	// FirstPrompted returns when an account was first told to set a factor up, and makes it now where it never was.
	FirstPrompted(ctx context.Context, accountID string, now time.Time) (time.Time, error)
}

// DeviceStore keeps remembered devices. What Store says about safety and about missing things holds here, too. An account's devices go with
// the account, with its password, and with Store.DeleteFactors.
type DeviceStore interface {
	// CreateDevice stores a device and removes the account's oldest beyond keep.
	CreateDevice(ctx context.Context, d Device, keep int) error
	// UseDevice returns the account's device with a digest that is good at now, and notes the use.
	UseDevice(ctx context.Context, accountID, digest string, now time.Time) (Device, error)
	// ListDevices returns an account's devices that are good at now, newest first.
	ListDevices(ctx context.Context, accountID string, now time.Time) ([]Device, error)
	// DeleteDevice removes one device of an account, or all for id "". One that is gone is no error.
	DeleteDevice(ctx context.Context, accountID, id string) error
	// SweepDevices removes what expired before now and returns how many.
	SweepDevices(ctx context.Context, now time.Time) (int, error)
}
