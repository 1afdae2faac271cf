package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rules is a compiled, immutable set of rules, safe for concurrent use.
type Rules struct {
	rules []rule
	// last is what holds when no rule matches.
	last    rule
	index   index
	methods bool
	fresh   time.Duration
}

// New compiles the rules. It refuses what Validate calls a fault.
func New(cfg Config) (*Rules, error) {
	for _, p := range cfg.Validate() {
		if !p.Warning {
			return nil, fmt.Errorf("compile access rules: %s: %s", p.Path, p.Message)
		}
	}
	r := &Rules{fresh: cmp.Or(cfg.FactorFresh, DefaultFactorFresh)}
	r.last = newRule(RuleConfig{Name: "default", Allow: Allow{Word: cfg.DefaultAllow}}, "No rule matches, and the default")
	for i, c := range cfg.Rules {
		r.rules = append(r.rules, newRule(c, fmt.Sprintf("Rule %q", c.Name)))
		r.methods = r.methods || len(c.Methods) > 0
		if len(c.Paths) == 0 {
			r.index.add(i, pattern{{many, "**"}})
		}
		for _, p := range c.Paths {
			r.index.add(i, parsePattern(p))
		}
	}
	return r, nil
}

// UsesMethods reports whether any rule tells methods apart.
func (r *Rules) UsesMethods() bool { return r.methods }

// Match returns the index of the rule that holds for a request, -1 for the default. It does not depend on who asks.
func (r *Rules) Match(req Request) int {
	req.Method = upper(req.Method)
	if i := r.index.find(r.rules, &req); i < len(r.rules) {
		return i
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

// takes reports whether a rule is about the request's method, in capitals, and upstream.
func (r *rule) takes(req *Request) bool {
	if len(r.cfg.Methods) > 0 && !slices.Contains(r.cfg.Methods, req.Method) {
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
