package policy

import (
	"cmp"
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
		if msg, hint := methodFault(m); msg != "" {
			ps.Add(fmt.Sprintf("methods[%d]", i), hint, "%s", msg)
		}
	}
	for i, u := range r.Upstreams {
		if u == "" {
			ps.Add(fmt.Sprintf("upstreams[%d]", i), "Write the id of an upstream, or leave the list out for all.", "the entry is empty")
		}
	}
	ps = append(ps, r.Allow.validate().Under("allow")...)
	if r.RequireFactor && (r.Allow.Word == anyone || r.Allow.Word == nobody || r.Allow.Who == anyone) {
		ps.Add("require_factor", "Leave one of the two out.", "a second factor makes no sense with `allow: %s`", cmp.Or(r.Allow.Word, r.Allow.Who))
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
	const words = "Write anyone, signed_in or nobody, or conditions: groups, emails, domains, providers, networks, hours."
	people := len(a.Groups) + len(a.Emails) + len(a.Domains) + len(a.Providers)
	none := people+len(a.Networks)+len(a.Hours) == 0
	switch {
	case a.Word == "" && none && a.Who == anyone:
		ps.Add("", "Write allow: anyone, or name networks or hours.", "the rule does not say what it asks for")
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
	entries(&ps, "networks", a.Networks, func(s string) bool { _, ok := parseNetwork(s); return ok },
		"Write a network or an address, such as 10.0.0.0/8 or 2001:db8::1; no bits beyond the length, no names.")
	for i, h := range a.Hours {
		_, faults := h.compile()
		ps = append(ps, faults.Under(fmt.Sprintf("hours[%d]", i))...)
	}
	switch {
	case a.Who != "" && a.Who != anyone && a.Who != signedIn:
		ps.Add("who", "Write signed_in, or anyone for people and programs that need not sign in.", "%q is not known", a.Who)
	case a.Who == anyone && people > 0:
		ps.Add("who", "Without a sign-in only networks and hours are known.", "groups, emails, domains and providers are known of those who are signed in")
	}
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

// unreachable warns of rules that earlier rules leave nothing.
func (c Config) unreachable() fault.Problems {
	var ps fault.Problems
	for i, r := range c.Rules {
		by, shadowed := r.shadowedBy(c.Rules[:i])
		if !shadowed {
			continue
		}
		var names []string
		for _, j := range by {
			names = append(names, fmt.Sprintf("rules[%d] (%q)", j, c.Rules[j].Name))
		}
		verb := map[bool]string{true: " matches", false: " match"}[len(by) == 1]
		ps = append(ps, fault.Problem{Path: fmt.Sprintf("rules[%d]", i), Warning: true,
			Message: fmt.Sprintf("rule %q never decides: %s%s first whatever it would match", r.Name, strings.Join(names, " and "), verb),
			Hint:    "The first match decides. Move the narrower rule up, or remove it."})
	}
	return ps
}

// shadowedBy returns the earlier rules that together take every request of r; false where something is left. Each path, method and upstream
// that r names is looked at by itself; what r leaves open, an earlier rule has to leave open as well.
func (r RuleConfig) shadowedBy(earlier []RuleConfig) (by []int, shadowed bool) {
	open := func(list []string) []string {
		if len(list) == 0 {
			return []string{""}
		}
		return list
	}
	covers := func(list []string, word string) bool {
		return len(list) == 0 || word != "" && slices.Contains(list, word)
	}
	paths := r.Paths
	if len(paths) == 0 {
		paths = []string{"/**"}
	}
	for _, path := range paths {
		p := parsePattern(path)
		for _, method := range open(r.Methods) {
			for _, upstream := range open(r.Upstreams) {
				j := slices.IndexFunc(earlier, func(e RuleConfig) bool {
					return covers(e.Methods, method) && covers(e.Upstreams, upstream) && e.coversPath(p)
				})
				if j < 0 {
					return nil, false
				}
				if !slices.Contains(by, j) {
					by = append(by, j)
				}
			}
		}
	}
	return by, true
}

func (r RuleConfig) coversPath(p pattern) bool {
	return len(r.Paths) == 0 || slices.ContainsFunc(r.Paths, func(q string) bool { return parsePattern(q).covers(p) })
}
