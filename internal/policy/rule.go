package policy

// The words that `allow` and `default` know.
const (
	anyone   = "anyone"
	signedIn = "signed_in"
	nobody   = "nobody"
)

// Config is the `access` section.
type Config struct {
	// DefaultAllow holds after the last rule: "signed_in" or "nobody".
	DefaultAllow string       `json:"default"`
	Rules        []RuleConfig `json:"rules"`
	Tests        []TestConfig `json:"tests"`
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
	// RequireFactor asks for a second factor on top of being allowed.
	RequireFactor bool `json:"require_factor"`
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
	// Expect is "allow" or "deny".
	Expect string `json:"expect"`
}

// Subject is who asks. The zero Subject is nobody.
type Subject struct {
	SignedIn bool
	Email    string
	Groups   []string
	// Provider is the provider id or "local".
	Provider string
	// Factor is true when a second factor was proven in this session.
	Factor bool
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
