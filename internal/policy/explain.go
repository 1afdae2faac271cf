package policy

import "slices"

// Aspect is what a condition looks at.
type Aspect string

// The aspects.
const (
	ByGroup     Aspect = "group"
	ByEmail     Aspect = "email"
	ByDomain    Aspect = "domain"
	ByProvider  Aspect = "provider"
	FromNetwork Aspect = "network"
	AtHours     Aspect = "hours"
	WithFactor  Aspect = "factor"
	BySignIn    Aspect = "sign_in"
)

// Check is one condition of a rule and whether somebody fulfils it.
type Check struct {
	Aspect Aspect `json:"aspect"`
	// Wants says what is asked for, such as "the group crm-admins".
	Wants string `json:"wants"`
	Holds bool   `json:"holds"`
}

// Step is one rule as a request meets it.
type Step struct {
	Rule string `json:"rule"`
	// Misses says what keeps the rule from being about the request: "path", "method" or "upstream"; empty where it matches.
	Misses string `json:"misses,omitempty"`
	// Decides marks the first rule that matches.
	Decides bool `json:"decides,omitempty"`
}

// Checks lists what the rule that Match found asks of s. It is for explanations; Decide is what decides.
func (r *Rules) Checks(index int, s Subject) []Check {
	rule := &r.last
	if index >= 0 && index < len(r.rules) {
		rule = &r.rules[index]
	}
	var out []Check
	if !rule.forAnyone() {
		out = append(out, Check{BySignIn, "somebody who is signed in", s.SignedIn})
	}
	if rule.cfg.Allow.Word == nobody {
		return append(out, Check{BySignIn, "nobody: the way is closed", false})
	}
	for _, c := range rule.conditions {
		out = append(out, Check{c.aspect(), c.wants(), c.holds(s)})
	}
	if rule.cfg.RequireFactor {
		out = append(out, Check{WithFactor, "a second factor within the last " + r.fresh.String(), r.factorFresh(s)})
	}
	return out
}

// Steps walks the rules from the top, the default last, and says of each whether it is about the request.
func (r *Rules) Steps(req Request) []Step {
	req.Method = upper(req.Method)
	path := segments(nil, req.Path)
	decided := false
	var out []Step
	for i := range r.rules {
		rule := &r.rules[i]
		s := Step{Rule: rule.cfg.Name}
		switch {
		case len(rule.cfg.Paths) > 0 && !slices.ContainsFunc(rule.cfg.Paths, func(p string) bool { return parsePattern(p).match(path) }):
			s.Misses = "path"
		case len(rule.cfg.Methods) > 0 && !slices.Contains(rule.cfg.Methods, req.Method):
			s.Misses = "method"
		case len(rule.cfg.Upstreams) > 0 && !slices.Contains(rule.cfg.Upstreams, req.Upstream):
			s.Misses = "upstream"
		default:
			s.Decides, decided = !decided, true
		}
		out = append(out, s)
	}
	return append(out, Step{Rule: r.last.cfg.Name, Decides: !decided})
}
