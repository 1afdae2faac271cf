package audit

import (
	"context"
	"time"

	"crmgate/internal/fault"
)

// Config is the `audit` section.
type Config struct {
	// Keep is how long events are kept; 0 is for ever.
	Keep time.Duration `json:"keep" jsonschema:"How long security events are kept; 0 is for ever."`
}

// Default returns the section's defaults.
func (Config) Default() Config { return Config{Keep: 400 * 24 * time.Hour} }

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var p fault.Problems
	if c.Keep != 0 && c.Keep < 24*time.Hour {
		p.Add("keep", "Write a duration such as 400d, or 0 for ever.", "%v is too short: nobody could look anything up", c.Keep)
	}
	return p
}

// Sweeper forgets old events.
type Sweeper interface {
	// SweepEvents removes what happened before a moment and returns how many.
	SweepEvents(ctx context.Context, before time.Time) (int, error)
}
