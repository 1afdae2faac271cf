package policy

import (
	"fmt"
	"slices"
	"strings"

	"crmgate/internal/fault"
)

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var ps fault.Problems
	if c.DefaultAllow != signedIn && c.DefaultAllow != nobody {
		hint := "Write signed_in (everybody who is signed in) or nobody."
		if c.DefaultAllow == anyone {
			hint = "Open paths need a rule of their own with `allow: anyone`. " + hint
		}
		ps.Add("default", hint, "%q cannot be the default", c.DefaultAllow)
	}
	seen := map[string]int{}
	for i, r := range c.Rules {
		at := fmt.Sprintf("rules[%d]", i)
		ps = append(ps, r.validate().Under(at)...)
		if j, dup := seen[r.Name]; dup && r.Name != "" {
			ps.Add(at+".name", "Names appear in the audit log and must tell rules apart.", "rules[%d] is called %q already", j, r.Name)
		} else {
			seen[r.Name] = i
		}
	}
	if len(ps) == 0 {
		ps = append(ps, c.unreachable()...)
	}
	for i, t := range c.Tests {
		if _, _, faults := t.parse(); len(faults) > 0 {
			ps = append(ps, faults.Under(fmt.Sprintf("tests[%d]", i))...)
		}
	}
	return ps
}

func (r RuleConfig) validate() fault.Problems {
	var ps fault.Problems
	switch r.Name {
	case "":
		ps.Add("name", "The name stands on the audit line when this rule refuses somebody.", "the rule needs a name")
	case "default":
		ps.Add("name", "Choose another name.", `"default" names what holds after the last rule`)
	}
	for i, p := range r.Paths {
		if msg, hint := patternFault(p); msg != "" {
			ps.Add(fmt.Sprintf("paths[%d]", i), hint, "%q %s", p, msg)
		}
	}
	for i, m := range r.Methods {
		at := fmt.Sprintf("methods[%d]", i)
		switch {
		case strings.TrimSpace(m) == "" || strings.ContainsAny(m, " ,/"):
			ps.Add(at, "Write one method for each entry, such as GET.", "%q is not a method", m)
		case m != strings.ToUpper(m):
			ps.Add(at, "Write "+strings.ToUpper(m)+".", "methods are written in capitals, not %q", m)
		case slices.Contains([]string{"CONNECT", "TRACE", "TRACK"}, m):
			ps.Add(at, "Remove it.", "%s is refused before any rule", m)
		}
	}
	for i, u := range r.Upstreams {
		if u == "" {
			ps.Add(fmt.Sprintf("upstreams[%d]", i), "Write the id of an upstream, or leave the list out for all.", "the entry is empty")
		}
	}
	ps = append(ps, r.Allow.validate().Under("allow")...)
	if r.RequireFactor && (r.Allow.Word == anyone || r.Allow.Word == nobody) {
		ps.Add("require_factor", "Leave one of the two out.", "a second factor makes no sense with `allow: %s`", r.Allow.Word)
	}
	return ps
}

func patternFault(p string) (msg, hint string) {
	switch {
	case p == "":
		return "is empty", "Leave `paths` out for every path, or write a pattern such as /admin/**."
	case p[0] != '/':
		return "must begin with /", "Write /" + p + "."
	case strings.Contains(p, "//"):
		return "never matches", "Repeated slashes are made one before rules are asked."
	case strings.ContainsAny(p, "?#"):
		return "holds more than a path", "Rules see the path only, never the query."
	case strings.ContainsAny(p, "\\\x00\r\n\t"):
		return "never matches", "Requests with such characters in their path are refused before rules are asked."
	case percent(p):
		return "is percent-encoded", "Rules see the decoded path; write the characters themselves."
	}
	for _, s := range segments(nil, p) {
		if s == "." || s == ".." {
			return "never matches", "Requests with . or .. in their path are refused before rules are asked."
		}
		if s != "**" && strings.Contains(s, "**") {
			return "mixes ** with other characters", "** stands alone between slashes; within a segment write *."
		}
	}
	return "", ""
}

func percent(s string) bool {
	const hex = "0123456789abcdefABCDEF"
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '%' && strings.IndexByte(hex, s[i+1]) >= 0 && strings.IndexByte(hex, s[i+2]) >= 0 {
			return true
		}
	}
	return false
}

func (a Allow) validate() fault.Problems {
	var ps fault.Problems
	const words = "Write anyone, signed_in or nobody, or conditions: groups, emails, domains, providers."
	none := len(a.Groups)+len(a.Emails)+len(a.Domains)+len(a.Providers) == 0
	switch {
	case a.Word == "" && none:
		ps.Add("", words, "the rule does not say whom it lets pass")
	case a.Word != "" && !none:
		ps.Add("", words, "a word and conditions cannot stand together")
	case a.Word != "" && a.Word != anyone && a.Word != signedIn && a.Word != nobody:
		hint := words
		if near := fault.Nearest(a.Word, anyone, signedIn, nobody); near != "" {
			hint = fmt.Sprintf("Did you mean %s? %s", near, words)
		}
		ps.Add("", hint, "%q is not known", a.Word)
	}
	entries(&ps, "groups", a.Groups, func(s string) bool { return s != "" }, "An empty group would be nobody's.")
	entries(&ps, "emails", a.Emails, func(s string) bool { return normalEmail(s) != "" }, "Write one address, such as ann@example.com.")
	entries(&ps, "domains", a.Domains, func(s string) bool { return normalDomain(s) != "" }, "Write a domain without @ or *, such as example.com.")
	entries(&ps, "providers", a.Providers, func(s string) bool { return s != "" }, "Write the id of a provider, or local.")
	return ps
}

func entries(ps *fault.Problems, name string, list []string, good func(string) bool, hint string) {
	for i, s := range list {
		if !good(s) {
			ps.Add(fmt.Sprintf("%s[%d]", name, i), hint, "%q matches nobody", s)
		}
	}
}

// References names the upstreams and providers that rules and tests mention and that do not exist. The lists hold the known ids;
// "local" need not be among the providers.
func (c Config) References(upstreams, providers []string) fault.Problems {
	var ps fault.Problems
	check := func(at, what, id string, known []string) {
		if slices.Contains(known, id) {
			return
		}
		hint := "Known: " + strings.Join(known, ", ") + "."
		if near := fault.Nearest(id, known...); near != "" {
			hint = fmt.Sprintf("Did you mean %s? %s", near, hint)
		}
		ps.Add(at, hint, "there is no %s %q", what, id)
	}
	providers = append(slices.Clone(providers), "local")
	for i, r := range c.Rules {
		for j, id := range r.Upstreams {
			check(fmt.Sprintf("rules[%d].upstreams[%d]", i, j), "upstream", id, upstreams)
		}
		for j, id := range r.Allow.Providers {
			check(fmt.Sprintf("rules[%d].allow.providers[%d]", i, j), "provider", id, providers)
		}
	}
	for i, t := range c.Tests {
		if t.Upstream != "" {
			check(fmt.Sprintf("tests[%d].upstream", i), "upstream", t.Upstream, upstreams)
		}
		if t.Provider != "" {
			check(fmt.Sprintf("tests[%d].provider", i), "provider", t.Provider, providers)
		}
	}
	return ps
}

// unreachable warns of rules that an earlier rule leaves nothing.
func (c Config) unreachable() fault.Problems {
	var ps fault.Problems
	for i, r := range c.Rules {
		for j, earlier := range c.Rules[:i] {
			if earlier.shadows(r) {
				ps = append(ps, fault.Problem{Path: fmt.Sprintf("rules[%d]", i), Warning: true,
					Message: fmt.Sprintf("rule %q never decides: rules[%d] (%q) matches first whatever it would match", r.Name, j, earlier.Name),
					Hint:    "The first match decides. Move the narrower rule up, or remove it."})
				break
			}
		}
	}
	return ps
}

func (r RuleConfig) shadows(later RuleConfig) bool {
	return superset(r.Methods, later.Methods) && superset(r.Upstreams, later.Upstreams) && r.coversPaths(later.Paths)
}

func superset(a, b []string) bool {
	if len(a) == 0 {
		return true
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			return false
		}
	}
	return len(b) > 0
}

func (r RuleConfig) coversPaths(paths []string) bool {
	if len(r.Paths) == 0 {
		return true
	}
	if len(paths) == 0 {
		paths = []string{"/**"}
	}
	for _, p := range paths {
		if !slices.ContainsFunc(r.Paths, func(q string) bool { return parsePattern(q).covers(parsePattern(p)) }) {
			return false
		}
	}
	return true
}
