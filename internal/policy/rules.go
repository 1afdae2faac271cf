package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Rules is a compiled, immutable set of rules, safe for concurrent use.
type Rules struct {
	rules []rule
	// last is what holds when no rule matches.
	last rule
	// byFirst holds, for each segment that a pattern begins with, the entries worth trying in the order of the rules; others
	// holds those for every other path.
	byFirst map[string][]entry
	others  []entry
	methods bool
}

// entry is one way to match a rule.
type entry struct {
	rule    int
	pattern pattern
	// every is true for a rule without paths.
	every bool
}

// New compiles the rules. It refuses what Validate calls a fault.
func New(cfg Config) (*Rules, error) {
	for _, p := range cfg.Validate() {
		if !p.Warning {
			return nil, fmt.Errorf("compile access rules: %s: %s", p.Path, p.Message)
		}
	}
	r := &Rules{byFirst: map[string][]entry{}}
	r.last = newRule(RuleConfig{Name: "default", Allow: Allow{Word: cfg.DefaultAllow}}, "No rule matches, and the default")
	for _, c := range cfg.Rules {
		r.rules = append(r.rules, newRule(c, fmt.Sprintf("Rule %q", c.Name)))
		r.methods = r.methods || len(c.Methods) > 0
	}
	r.index()
	return r, nil
}

func (r *Rules) index() {
	all := r.entries()
	for _, e := range all {
		if first, ok := e.pattern.first(); ok {
			r.byFirst[first] = nil
		} else {
			r.others = append(r.others, e)
		}
	}
	for first := range r.byFirst {
		for _, e := range all {
			if f, ok := e.pattern.first(); !ok || f == first {
				r.byFirst[first] = append(r.byFirst[first], e)
			}
		}
	}
}

func (r *Rules) entries() []entry {
	var all []entry
	for i, rule := range r.rules {
		if len(rule.cfg.Paths) == 0 {
			all = append(all, entry{rule: i, every: true})
		}
		for _, p := range rule.cfg.Paths {
			all = append(all, entry{rule: i, pattern: parsePattern(p)})
		}
	}
	return all
}

// UsesMethods reports whether any rule tells methods apart.
func (r *Rules) UsesMethods() bool { return r.methods }

// Match returns the index of the rule that holds for a request, -1 for the default. It does not depend on who asks.
func (r *Rules) Match(req Request) int {
	var buf [16]string
	path := segments(buf[:0], req.Path)
	try := r.others
	if len(path) > 0 {
		if es, ok := r.byFirst[path[0]]; ok {
			try = es
		}
	}
	for i := range try {
		e := &try[i]
		if r.rules[e.rule].takes(req) && (e.every || e.pattern.match(path)) {
			return e.rule
		}
	}
	return -1
}

// rule is a compiled rule with its sentences.
type rule struct {
	cfg        RuleConfig
	conditions []condition
	allowed    string
	refused    string
	// missing are the sentences for conditions that do not hold, in their order.
	missing []string
}

// newRule compiles one rule; name begins its sentences.
func newRule(c RuleConfig, name string) rule {
	r := rule{cfg: c, conditions: conditions(c.Allow)}
	r.refused = name + " lets nobody pass."
	switch c.Allow.Word {
	case anyone:
		r.allowed = name + " lets anyone pass."
	case signedIn:
		r.allowed = name + " lets everybody pass who is signed in."
	default:
		var wants []string
		for _, c := range r.conditions {
			wants = append(wants, c.wants())
			r.missing = append(r.missing, name+" wants "+c.wants()+".")
		}
		r.allowed = name + " lets pass: " + strings.Join(wants, " and ") + "."
	}
	return r
}

func (r *rule) takes(req Request) bool {
	if len(r.cfg.Methods) > 0 && !slices.Contains(r.cfg.Methods, upper(req.Method)) {
		return false
	}
	return len(r.cfg.Upstreams) == 0 || slices.Contains(r.cfg.Upstreams, req.Upstream)
}

func upper(method string) string {
	for i := range len(method) {
		if 'a' <= method[i] && method[i] <= 'z' {
			return strings.ToUpper(method)
		}
	}
	return method
}
