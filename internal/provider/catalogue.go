package provider

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// kind is what the catalogue knows of a type of provider.
type kind struct {
	// preset fills in what the administrator left empty; it never changes what was written.
	preset func(Config) Config
	// validate names the faults of a filled-in entry that only this type has.
	validate func(Config, *fault.Problems)
	// open makes the provider of a filled-in, valid entry.
	open func(Config, Env) (identity.Provider, error)
}

// catalogue holds every type that has code of its own. A new one is a file and a line here. What needs no code is a file below presets.
var catalogue = map[string]kind{
	"oidc":             {presetOIDC, validateOIDC, openOIDC},
	"entra":            {presetEntra, validateEntra, openEntra},
	"okta":             {presetOkta, validateOIDC, openOkta},
	"google":           {presetGoogle, validateGoogle, openGoogle},
	"github":           {presetGitHub, validateGitHub, openGitHub},
	"ldap":             {presetLDAP, validateLDAP, openLDAP},
	"active_directory": {presetActiveDirectory, validateActiveDirectory, openActiveDirectory},
}

// Types returns the values of Config.Type.
func Types() []string {
	return slices.Sorted(slices.Values(append(presetNames(), slices.Collect(maps.Keys(catalogue))...)))
}

// find returns a type.
func find(name string) (kind, bool, error) {
	if k, ok := catalogue[name]; ok {
		return k, true, nil
	}
	p, ok, err := loadPreset(name)
	return p.kind(), ok, err
}

// Env is what every provider gets from the process.
type Env struct {
	// RedirectURI is the exact callback address of this provider.
	RedirectURI string
	// WantGroups is true where an access rule or the list of administrators names a group, so that an ID token without groups is not enough.
	WantGroups bool
	// Log takes what nobody is told about otherwise; nil drops it.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Timeout bounds one question to an OpenID Provider, connecting and reading included; zero is ten seconds. A directory has its
	// own in the configuration.
	Timeout time.Duration
}

// Open makes the provider of an entry that Validate found good. It never asks the network: a provider that is down must not
// delay the start. It reads ca_file.
func Open(cfg Config, env Env) (identity.Provider, error) {
	k, ok, err := find(cfg.Type)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("open provider %s: unknown type %q", cfg.ID, cfg.Type)
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	env.Timeout = cmp.Or(env.Timeout, askTimeout)
	p, err := k.open(k.preset(cfg), env)
	if err != nil {
		return nil, fmt.Errorf("open provider %s: %w", cfg.ID, err)
	}
	return p, nil
}
