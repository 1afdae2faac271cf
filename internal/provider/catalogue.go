package provider

import (
	"fmt"
	"log/slog"
	"time"

	"crmgate/internal/identity"
)

// Env is what every provider gets from the process.
type Env struct {
	// RedirectURI is the exact callback address of this provider.
	RedirectURI string
	Log         *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Open makes the provider of an entry. It never asks the network: a provider that is down must not delay the start.
func Open(cfg Config, env Env) (identity.Provider, error) {
	return nil, fmt.Errorf("open provider %s: unknown type %q", cfg.ID, cfg.Type)
}
