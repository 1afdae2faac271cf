package policy

import "time"

// The words that `allow` and `default` know.
const (
	anyone   = "anyone"
	signedIn = "signed_in"
	nobody   = "nobody"
)

// DefaultFactorFresh is how long a second factor counts where nothing else is configured.
const DefaultFactorFresh = 10 * time.Minute

// Config is the `access` section.
type Config struct {
	// DefaultAllow holds after the last rule: "signed_in" or "nobody".
	DefaultAllow string       `json:"default"`
	Rules        []RuleConfig `json:"rules"`
	Tests        []TestConfig `json:"tests"`
	// FactorFresh is how long ago a second factor may have been proven for require_factor; 0 is DefaultFactorFresh. It belongs to the
	// section about second factors.
	FactorFresh time.Duration `json:"-"`
}

// RuleConfig is one access rule.
type RuleConfig struct {
	Name string `json:"name"`
	// Paths are patterns: "*" stands for one segment or a part of one, "**" for any number of segments. Empty: every path.
	Paths []string `json:"paths"`
	// Methods are HTTP methods in capitals. Empty: every method.
	Methods []string `json:"methods"`
	// Upstreams are upstream ids. Empty: every upstream.
	Upstreams []string `json:"upstreams"`
	Allow     Allow    `json:"allow"`
	// RequireFactor asks for a second factor, proven a short while ago, on top of being allowed.
	RequireFactor bool `json:"require_factor" jsonschema:"Ask for a second factor, proven a short while ago, on top of being allowed."`
}

// Allow says whom a rule lets pass: one of the words "anyone", "signed_in" and "nobody", or conditions. Of the conditions
// that are set every one must hold; within one, any entry does.
type Allow struct {
	// Word is set where the YAML has a word instead of conditions.
	Word      string   `json:"-"`
	Groups    []string `json:"groups"`
	Emails    []string `json:"emails"`
	Domains   []string `json:"domains"`
	Providers []string `json:"providers"`
	// Networks are networks and single addresses that the client's own address must lie in.
	Networks []string      `json:"networks" jsonschema:"Networks (CIDR) and addresses that the client must come from."`
	Hours    []HoursConfig `json:"hours" jsonschema:"When the way is open."`
	// Who is "anyone" where nobody need be signed in, so that only networks and hours are asked; empty is "signed_in".
	Who string `json:"who" jsonschema:"signed_in, or anyone: nobody need be signed in, only networks and hours are asked."`
}

// UnmarshalText takes the word form.
func (a *Allow) UnmarshalText(text []byte) error { *a = Allow{Word: string(text)}; return nil }

// TestConfig is one line of `access.tests`: what a request by somebody must lead to.
type TestConfig struct {
	Email    string   `json:"email"`
	Groups   []string `json:"groups"`
	Provider string   `json:"provider"`
	// Upstream is the id of the upstream the request is for. It counts only where rules name upstreams; package config fills in the
	// one that has the path.
	Upstream string `json:"upstream"`
	// Request is "METHOD /path"; a query is ignored, as rules ignore it.
	Request string `json:"request"`
	// Address is the client's IP address, for rules that name networks.
	Address string `json:"address"`
	// At is the moment of the request (RFC 3339), for rules that name hours.
	At string `json:"at"`
	// Factor is "proven", also where it is empty, or "missing".
	Factor string `json:"factor"`
	// Expect is "allow", "deny" or "step_up", which is the kind of deny that asks for a second factor.
	Expect string `json:"expect"`
}

// Subject is who asks. The zero Subject is nobody.
type Subject struct {
	SignedIn bool
	Email    string
	Groups   []string
	// Provider is the provider id or "local".
	Provider string
	// FactorAt is when a second factor was last proven in this session, zero where none was.
	FactorAt time.Time
	// Address is the client's IP address without port.
	Address string
	// At is the moment of the request; where it is zero no hour fits and no second factor is fresh.
	At time.Time

	// untimed marks a test line that does not say when.
	untimed bool
}

// Request is what is asked for. Path is canonical and decoded.
type Request struct {
	Upstream, Method, Path string
}

// Outcome is what a decision comes to.
type Outcome int

// The outcomes. The zero value refuses.
const (
	Refuse Outcome = iota
	Allowed
	SignIn
	StepUp
)

// Decision is an outcome with its reason.
type Decision struct {
	Outcome Outcome
	// Rule is the name of the rule that decided, "default" after the last.
	Rule string
	// Reason says why, in words an administrator understands.
	Reason string
}

// Default returns the section's defaults.
func (Config) Default() Config { return Config{DefaultAllow: signedIn} }
