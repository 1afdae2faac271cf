package provider

import (
	"time"

	"crmgate/internal/identity"
)

// Pace returns how long a directory is believed to take to judge a password.
func Pace(p identity.Provider) time.Duration {
	return time.Duration(p.(*directory).pace.typical.Load())
}

// SetPace makes a directory believe that.
func SetPace(p identity.Provider, d time.Duration) { p.(*directory).pace.typical.Store(int64(d)) }
