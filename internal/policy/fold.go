package policy

import "strings"

// Fold returns the rules for a CRM to which paths that differ in case only are the same: a path that went through FoldPath meets the rule,
// by the same index, that it would meet if everybody wrote every path alike.
func (c Config) Fold() Config {
	rules := make([]RuleConfig, len(c.Rules))
	for i, r := range c.Rules {
		paths := make([]string, len(r.Paths))
		for j, p := range r.Paths {
			paths[j] = FoldPath(p)
		}
		r.Paths = paths
		rules[i] = r
	}
	c.Rules = rules
	return c
}

// FoldPath makes paths alike that differ in case only. Capitals come first: some small letters share a capital, as the long s does with s.
func FoldPath(path string) string { return strings.ToLower(strings.ToUpper(path)) }
