package mfa

import (
	"net/url"
	"time"
)

// Env is what factors are made with.
type Env struct {
	Config Config
	// Public is public_url: the origin that passkeys are bound to.
	Public *url.URL
	// Product is what apps and browsers call this place.
	Product string
	// Mail carries codes by mail; nil offers none.
	Mail Courier

	now func() time.Time
}

// entry is one kind of factor. Open returns nil where the configuration leaves it no way to work.
type entry struct {
	kind Kind
	open func(Env) (Factor, error)
}

// catalogue is every kind of factor. A new one is a line here, a file beside it and a template of its name.
func catalogue() []entry {
	return []entry{
		{Passkey, newPasskey},
		{TOTP, newTOTP},
		{Email, newEmail},
		{SMS, newSMS},
		{Recovery, newRecovery},
	}
}
