package policy

import (
	"fmt"
	"strings"

	"crmgate/internal/fault"
)

// RunTests runs `access.tests` against the rules of the same section and names each expectation that does not hold. A section
// with faults of its own is not run; Validate names those.
func RunTests(cfg Config) fault.Problems {
	rules, err := New(cfg)
	if err != nil {
		return nil
	}
	named := false
	for _, r := range cfg.Rules {
		named = named || len(r.Upstreams) > 0
	}
	var ps fault.Problems
	for i, t := range cfg.Tests {
		at := fmt.Sprintf("tests[%d]", i)
		if named && t.Upstream == "" {
			ps.Add(at+".upstream", "Write the id of the upstream that the request is for.", "rules name upstreams, so the test must as well")
			continue
		}
		d := rules.run(t)
		if got := word(d.Outcome); got != t.Expect {
			ps.Add(at, fmt.Sprintf("Decided by %q: %s", d.Rule, d.Reason), "%s: expected %s, got %s", t.Request, t.Expect, got)
		}
	}
	return ps
}

func (r *Rules) run(t TestConfig) Decision {
	req, subject, _ := t.parse()
	return r.Decide(r.Match(req), subject)
}

func word(o Outcome) string {
	if o == Allowed {
		return "allow"
	}
	return "deny"
}

// parse turns a line into a request and somebody who makes it. Without address, groups and provider nobody is signed in. A second
// factor counts as proven: a test is about whom the rules know, not about what they still have to show.
func (t TestConfig) parse() (Request, Subject, fault.Problems) {
	var ps fault.Problems
	method, path, ok := strings.Cut(t.Request, " ")
	path, _, _ = strings.Cut(path, "?")
	const form = `Write a method and a decoded path, such as "GET /admin/users".`
	switch {
	case !ok || method == "" || method != upper(method):
		ps.Add("request", form, "%q is not a request", t.Request)
	case strings.Contains(path, "*"):
		ps.Add("request", form, "%q is a pattern, not a path", path)
	default:
		if msg, hint := patternFault(path); msg != "" {
			ps.Add("request", hint, "%q %s", path, msg)
		}
	}
	if t.Expect != "allow" && t.Expect != "deny" {
		ps.Add("expect", "Write allow or deny.", "%q is not known", t.Expect)
	}
	if t.Email != "" && normalEmail(t.Email) == "" {
		ps.Add("email", "Write one address, such as ann@example.com.", "%q is not an address", t.Email)
	}
	s := Subject{SignedIn: t.Email != "" || len(t.Groups) > 0 || t.Provider != "", Email: t.Email, Groups: t.Groups,
		Provider: t.Provider, Factor: true}
	return Request{Upstream: t.Upstream, Method: method, Path: path}, s, ps
}
