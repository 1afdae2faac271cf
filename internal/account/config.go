package account

import (
	"os"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/throttle"
)

// Config is the `local` section.
type Config struct {
	Enabled            bool            `json:"enabled" jsonschema:"Whether accounts with a password of the gateway's own exist."`
	Password           PasswordConfig  `json:"password"`
	Reset              ResetConfig     `json:"reset"`
	InvitationLifetime time.Duration   `json:"invitation_lifetime" jsonschema:"How long the link in an invitation works."`
	Lockout            throttle.Config `json:"lockout"`
}

// PasswordConfig is `local.password`.
type PasswordConfig struct {
	// MinLength counts characters.
	MinLength int `json:"min_length" jsonschema:"Fewest characters of a new password (8 to 64)."`
	// MinLengthWithFactor is MinLength for accounts that sign in with a second factor.
	MinLengthWithFactor int `json:"min_length_with_factor" jsonschema:"Fewest characters where a second factor is asked for beside the password (8 to 64)."`
	// MaxAge is how long a password may be used; 0 is for ever.
	MaxAge time.Duration `json:"max_age" jsonschema:"How long a password may be used before it must be changed at sign-in; 0 is for ever, as NIST SP 800-63B-4 advises."`
	// History is how many former passwords may not come back; 0 allows even the present one.
	History int `json:"history" jsonschema:"How many former passwords may not come back (0 to 24)."`
	// BlocklistFile has one refused password a line. It is read whenever a password is set.
	BlocklistFile string `json:"blocklist_file" jsonschema:"Text file with one refused password a line, beside the built-in list."`
	// BreachCheck is a filter file or an https address of a range API; empty is off. It is asked whenever a password is set.
	BreachCheck string `json:"breach_check" jsonschema:"Known breached passwords: a file made by 'crmgate passwords build-filter', or the https address of a range API such as https://api.pwnedpasswords.com/range; empty is off."`
}

// ResetConfig is `local.reset`.
type ResetConfig struct {
	// Enabled offers reset links by mail to people with a local password. An administrator can issue one either way.
	Enabled      bool          `json:"enabled" jsonschema:"Whether people with a local password may ask for a reset link by mail."`
	LinkLifetime time.Duration `json:"link_lifetime" jsonschema:"How long a reset link works."`
	// RequireUsername asks for the user name beside the address; who does not know both gets no mail.
	RequireUsername bool `json:"require_username" jsonschema:"Whether the reset form asks for address and user name, which must both be right."`
}

// The bounds of what may be configured. Eight characters are the least that NIST SP 800-63B-4 section 3.1.1.2 knows, and only beside
// a second factor; fifteen for a password alone.
const (
	leastMinLength, mostMinLength = 8, 64
	soundMinLength                = 15
	mostHistory                   = 24
	leastMaxAge                   = 24 * time.Hour
	mostLinkLifetime              = 24 * time.Hour
	mostInvitationLifetime        = 31 * 24 * time.Hour
)

// Default returns the section's defaults.
func (Config) Default() Config {
	return Config{
		Enabled:            true,
		Password:           PasswordConfig{MinLength: soundMinLength, MinLengthWithFactor: leastMinLength, History: 5},
		Reset:              ResetConfig{Enabled: true, LinkLifetime: 30 * time.Minute},
		InvitationLifetime: 72 * time.Hour,
		Lockout:            throttle.Config{}.Default(),
	}
}

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	p := c.Password.validate().Under("password")
	if c.Reset.LinkLifetime <= 0 || c.Reset.LinkLifetime > mostLinkLifetime {
		p.Add("reset.link_lifetime", "Use a duration such as 30m, at most 24h.", "%s is no lifetime for a reset link", c.Reset.LinkLifetime)
	}
	if c.InvitationLifetime <= 0 || c.InvitationLifetime > mostInvitationLifetime {
		p.Add("invitation_lifetime", "Use a duration such as 3d, at most 31d.", "%s is no lifetime for an invitation", c.InvitationLifetime)
	}
	return append(p, c.Lockout.Validate().Under("lockout")...)
}

func (c PasswordConfig) validate() fault.Problems {
	var p fault.Problems
	switch {
	case c.MinLength < leastMinLength:
		p.Add("min_length", "15 is sound for a password alone, 8 is the least.", "passwords of %d characters are guessed", c.MinLength)
	case c.MinLength > mostMinLength:
		p.Add("min_length", "15 is sound; more than 64 keeps honest people out.", "%d characters are too many to ask for", c.MinLength)
	case c.MinLength < soundMinLength:
		p = append(p, fault.Problem{Path: "min_length", Warning: true, Message: "a password alone should have 15 characters or more",
			Hint: "NIST SP 800-63B-4 asks for 15 where there is no second factor. Length does more than signs and digits."})
	}
	switch n := c.MinLengthWithFactor; {
	case n < leastMinLength || n > mostMinLength:
		p.Add("min_length_with_factor", "8 is the least, and sound beside a second factor.", "%d characters cannot be the least", n)
	case n > c.MinLength && c.MinLength >= leastMinLength:
		p.Add("min_length_with_factor", "Use min_length or less; 8 is sound beside a second factor.", "a second factor cannot ask for a longer password than none")
	}
	if c.MaxAge != 0 && c.MaxAge < leastMaxAge {
		p.Add("max_age", "Use a duration such as 90d, or 0 for none.", "%s is no age for a password", c.MaxAge)
	}
	if err := checkBreachSource(c.BreachCheck); err != nil {
		p.Add("breach_check", "Give a file made by 'crmgate passwords build-filter', an https address, or leave it out.", "%v", err)
	}
	if c.History < 0 || c.History > mostHistory {
		p.Add("history", "5 is usual; every one costs time when a password is set.", "%d former passwords cannot be kept", c.History)
	}
	if c.BlocklistFile != "" {
		if f, err := os.Open(c.BlocklistFile); err != nil {
			p.Add("blocklist_file", "Give a readable text file with one password a line, or leave it out.", "%v", err)
		} else {
			f.Close()
		}
	}
	return p
}
