package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"crmgate/internal/fault"
)

// RunTests runs `access.tests` against the rules of the same section and names each expectation that does not hold. A section
// with faults of its own is not run; Validate names those. Judge answers in place of the rules alone where they do not see all that a
// real request meets, such as how its path is read; nil, or false from it, leaves it to them.
func RunTests(cfg Config, judge func(Request, Subject) (Decision, []Check, bool)) fault.Problems {
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
		req, subject, _ := t.parse()
		d, checks := rules.judge(req, subject, judge)
		if got := word(d.Outcome); got != t.Expect && !(t.Expect == "deny" && got == "step_up") {
			hint := d.Reason
			if d.Rule != "" {
				hint = fmt.Sprintf("Decided by %q: %s", d.Rule, d.Reason)
			}
			for _, c := range checks {
				switch {
				case c.Aspect == FromNetwork && t.Address == "":
					hint += " The test does not say from where: write address."
				case c.Aspect == AtHours && t.At == "":
					hint += " The test does not say when: write at."
				}
			}
			ps.Add(at, hint, "%s: expected %s, got %s", t.Request, t.Expect, got)
		}
	}
	return ps
}

func (r *Rules) judge(req Request, s Subject, judge func(Request, Subject) (Decision, []Check, bool)) (Decision, []Check) {
	if judge != nil {
		if d, checks, ok := judge(req, s); ok {
			return d, checks
		}
	}
	index := r.Match(req)
	return r.Decide(index, s), r.Checks(index, s)
}

func word(o Outcome) string {
	switch o {
	case Allowed:
		return "allow"
	case StepUp:
		return "step_up"
	}
	return "deny"
}

// parse turns a line into a request and somebody who makes it. Without email, groups and provider nobody is signed in. A second
// factor counts as proven unless the line says otherwise: a test is mostly about whom the rules know.
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
	if t.Expect != "allow" && t.Expect != "deny" && t.Expect != "step_up" {
		ps.Add("expect", "Write allow or deny, or step_up where a second factor is asked for.", "%q is not known", t.Expect)
	}
	if t.Address != "" {
		if _, err := netip.ParseAddr(t.Address); err != nil {
			ps.Add("address", "Write an IP address, such as 203.0.113.7.", "%q is not an address", t.Address)
		}
	}
	at, err := time.Parse(time.RFC3339, t.At)
	switch {
	case t.At == "":
		at = time.Unix(0, 0) // any moment will do for the second factor
	case err != nil:
		ps.Add("at", "Write date, time and offset, such as 2026-03-02T09:30:00+01:00.", "%q is not a moment", t.At)
	}
	if t.Factor != "" && t.Factor != "proven" && t.Factor != "missing" {
		ps.Add("factor", "Write proven or missing.", "%q is not known", t.Factor)
	}
	if t.Email != "" && normalEmail(t.Email) == "" {
		ps.Add("email", "Write one address, such as ann@example.com.", "%q is not an address", t.Email)
	}
	s := Subject{SignedIn: t.Email != "" || len(t.Groups) > 0 || t.Provider != "", Email: t.Email, Groups: t.Groups,
		Provider: t.Provider, Address: t.Address, At: at, untimed: t.At == ""}
	if t.Factor != "missing" {
		s.FactorAt = at
	}
	return Request{Upstream: t.Upstream, Method: method, Path: path}, s, ps
}
