package mfa

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// The values of `factors.policy`.
const (
	// PolicyOff asks nobody, whatever is enrolled.
	PolicyOff = "off"
	// PolicyOptional asks those who have enrolled a factor.
	PolicyOptional = "optional"
	// PolicyRequired makes everybody enrol one.
	PolicyRequired = "required"
)

// Config is the `factors` section.
type Config struct {
	Policy         string         `json:"policy" jsonschema:"off, optional (asks those who have set one up) or required (everybody sets one up)."`
	RequiredFor    RequiredConfig `json:"required_for" jsonschema:"Who needs a second factor although policy is optional."`
	Allowed        []string       `json:"allowed" jsonschema:"passkey, totp, email, sms and recovery, in the order in which they are offered."`
	RememberDevice time.Duration  `json:"remember_device" jsonschema:"How long a browser may stand in for the second factor where the person ticks that box; 0 offers no box."`
	EnrolmentGrace time.Duration  `json:"enrolment_grace" jsonschema:"How long somebody who needs a second factor may put setting it up off; 0 is not at all."`
	Fresh          time.Duration  `json:"fresh" jsonschema:"How long a proven factor is good for rules with require_factor and for changes on the account page."`
	SMS            SMSConfig      `json:"sms" jsonschema:"The HTTP gateway that sends text messages; without a url there are none."`
}

// RequiredConfig is `factors.required_for`. It holds for local accounts; corporate ones have their provider's `factor`.
type RequiredConfig struct {
	Groups []string `json:"groups" jsonschema:"Members of these groups."`
	Admins bool     `json:"admins" jsonschema:"Those whom the section admins names."`
}

// SMSConfig is `factors.sms`.
type SMSConfig struct {
	URL     string         `json:"url" jsonschema:"Where the request goes; {{to}} and {{code}} are filled in here, in header values and in the body."`
	Method  string         `json:"method" jsonschema:"POST, PUT or GET."`
	Headers []HeaderConfig `json:"headers" jsonschema:"Headers of the request, such as Content-Type and Authorization."`
	Body    string         `json:"body" jsonschema:"The body; what is filled in is escaped as Content-Type asks for."`
}

// HeaderConfig is one header of the request to the SMS gateway.
type HeaderConfig struct {
	Name      string       `json:"name" jsonschema:"The header's name."`
	Value     token.Secret `json:"value" jsonschema:"The header's value."`
	ValueFile string       `json:"value_file" jsonschema:"A file that holds value."`
}

// Default returns the section's defaults.
func (Config) Default() Config {
	return Config{
		Policy: PolicyOptional, RequiredFor: RequiredConfig{Admins: true},
		Allowed:        []string{string(Passkey), string(TOTP), string(Email), string(SMS), string(Recovery)},
		RememberDevice: 30 * 24 * time.Hour, Fresh: 10 * time.Minute, SMS: SMSConfig{Method: "POST"},
	}
}

// The bounds of what may be configured.
const (
	mostRemember = 90 * 24 * time.Hour
	mostGrace    = 90 * 24 * time.Hour
	leastFresh   = time.Minute
	mostFresh    = 12 * time.Hour
)

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var p fault.Problems
	if !slices.Contains([]string{PolicyOff, PolicyOptional, PolicyRequired}, c.Policy) {
		p.Add("policy", "Write off, optional or required.", "%q is no policy", c.Policy)
	}
	c.validateAllowed(&p)
	if c.RememberDevice < 0 || c.RememberDevice > mostRemember {
		p.Add("remember_device", "Write a duration up to 90d, or 0 to ask every time.", "%s is no time to remember a browser for", c.RememberDevice)
	}
	if c.EnrolmentGrace < 0 || c.EnrolmentGrace > mostGrace {
		p.Add("enrolment_grace", "Write a duration up to 90d, or 0.", "%s is no grace", c.EnrolmentGrace)
	}
	if c.Fresh < leastFresh || c.Fresh > mostFresh {
		p.Add("fresh", "10m is usual; 1m to 12h are possible.", "%s is not possible", c.Fresh)
	}
	return append(p, c.SMS.validate().Under("sms")...)
}

func (c Config) validateAllowed(p *fault.Problems) {
	var known []string
	for _, e := range catalogue() {
		known = append(known, string(e.kind))
	}
	real := false
	for i, k := range c.Allowed {
		at := fmt.Sprintf("allowed[%d]", i)
		switch {
		case !slices.Contains(known, k):
			p.Add(at, "Write "+strings.Join(known, ", ")+".", "there is no factor %q", k)
		case slices.Index(c.Allowed, k) < i:
			p.Add(at, "Name each once.", "%q is there already", k)
		}
		real = real || Kind(k) != Recovery
	}
	if c.Policy != PolicyOff && !real {
		p.Add("allowed", "Allow passkey and totp at least, or set policy to off.", "leaves nothing that people could set up")
	}
}

func (c SMSConfig) validate() fault.Problems {
	var p fault.Problems
	if c.URL == "" {
		if c.Body != "" || len(c.Headers) > 0 {
			p.Add("url", "Write the address of the gateway.", "is missing")
		}
		return p
	}
	u, err := url.Parse(fill(c.URL, "0", "0", url.QueryEscape))
	if err != nil || u.Host == "" || !secure(u) {
		p.Add("url", "Write an https address.", "is no address that a code may be sent to")
	}
	if !slices.Contains([]string{"POST", "PUT", "GET"}, c.Method) {
		p.Add("method", "Write POST, PUT or GET.", "%q is no method", c.Method)
	}
	all := c.URL + c.Body
	for i, h := range c.Headers {
		all += h.Value.Reveal()
		if h.Name == "" || strings.ContainsAny(h.Name, " :\r\n") || strings.ContainsAny(h.Value.Reveal(), "\r\n") {
			p.Add(fmt.Sprintf("headers[%d]", i), "Write {name: Authorization, value: Bearer …}.", "is no header")
		}
	}
	for _, word := range []string{"{{to}}", "{{code}}"} {
		if !strings.Contains(all, word) {
			p.Add("body", "Put "+word+" where it belongs, in the body or in the url.", "%s stands nowhere", word)
		}
	}
	return p
}
