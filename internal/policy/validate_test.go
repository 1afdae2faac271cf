package policy_test

import (
	"strings"
	"testing"

	"crmgate/internal/fault"
	"crmgate/internal/policy"
)

// says reports a problem's path and a part of its message or hint.
type says struct{ path, text string }

func check(t *testing.T, got fault.Problems, want []says) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d problems, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		p := got[i]
		if p.Path != w.path || !strings.Contains(p.Message+" | "+p.Hint, w.text) || p.Hint == "" {
			t.Errorf("problem %d: %+v, want %s with %q and a hint", i, p, w.path, w.text)
		}
	}
}

func TestValidate(t *testing.T) {
	word := func(w string) policy.Allow { return policy.Allow{Word: w} }
	rule := func(name string, a policy.Allow, paths ...string) policy.RuleConfig {
		return policy.RuleConfig{Name: name, Paths: paths, Allow: a}
	}
	for _, tc := range []struct {
		name  string
		cfg   policy.Config
		wants []says
	}{
		{"good", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("a", word("anyone"), "/assets/**"), rule("b", word("signed_in"))}}, nil},
		{"default", policy.Config{DefaultAllow: "everybody"}, []says{{"default", "signed_in"}}},
		{"default anyone", policy.Config{DefaultAllow: "anyone"}, []says{{"default", "rule of their own"}}},
		{"no name", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("", word("anyone"), "/a")}}, []says{{"rules[0].name", "needs a name"}}},
		{"default as name", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("default", word("anyone"), "/a")}}, []says{{"rules[0].name", "after the last rule"}}},
		{"same name", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("a", word("anyone"), "/a"), rule("a", word("anyone"), "/b")}}, []says{{"rules[1].name", "rules[0]"}}},
		{"word", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("a", word("singed_in"), "/a")}}, []says{{"rules[0].allow", "Did you mean signed_in?"}}},
		{"word, far off", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("a", word("crm-admins"), "/a")}}, []says{{"rules[0].allow", "groups"}}},
		{"nothing", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("a", policy.Allow{}, "/a")}}, []says{{"rules[0].allow", "whom"}}},
		{"empty entries", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("a", policy.Allow{Groups: []string{"", "x"}, Emails: []string{"ann"}, Domains: []string{"@x.com"}, Providers: []string{""}}, "/a")}},
			[]says{{"rules[0].allow.groups[0]", "nobody"}, {"rules[0].allow.emails[0]", "one address"}, {"rules[0].allow.domains[0]", "without @"}, {"rules[0].allow.providers[0]", "id of a provider"}}},
		{"paths", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("a", word("anyone"), "a", "", "/a//b", "/a?b", "/a%20b", "/a/../b", "/a**", `/a\b`)}},
			[]says{{"rules[0].paths[0]", "Write /a."}, {"rules[0].paths[1]", "empty"}, {"rules[0].paths[2]", "never matches"}, {"rules[0].paths[3]", "query"}, {"rules[0].paths[4]", "decoded"}, {"rules[0].paths[5]", "never matches"}, {"rules[0].paths[6]", "stands alone"}, {"rules[0].paths[7]", "never matches"}}},
		{"methods", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{{Name: "a", Methods: []string{"get", "GET,HEAD", "TRACE", ""}, Allow: word("anyone")}}},
			[]says{{"rules[0].methods[0]", "Write GET"}, {"rules[0].methods[1]", "one method for each"}, {"rules[0].methods[2]", "refused before"}, {"rules[0].methods[3]", "not a method"}}},
		{"upstreams", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{{Name: "a", Upstreams: []string{""}, Allow: word("anyone")}}}, []says{{"rules[0].upstreams[0]", "empty"}}},
		{"factor for anyone", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{{Name: "a", RequireFactor: true, Allow: word("anyone")}}}, []says{{"rules[0].require_factor", "no sense"}}},
		{"tests", policy.Config{DefaultAllow: "nobody", Tests: []policy.TestConfig{{Request: "/a", Expect: "allow"}, {Request: "GET /a/*", Expect: "refuse"}, {Request: "get /a", Expect: "deny", Email: "ann"}}},
			[]says{{"tests[0].request", "Write a method"}, {"tests[1].request", "pattern"}, {"tests[1].expect", "allow or deny"}, {"tests[2].request", "Write a method"}, {"tests[2].email", "one address"}}},
		{"networks", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("a", policy.Allow{Networks: []string{"10.0.0.0/8", "10.0.0.1/8", "office", "::1", ""}}, "/a")}},
			[]says{{"rules[0].allow.networks[1]", "bits beyond"}, {"rules[0].allow.networks[2]", "no names"}, {"rules[0].allow.networks[4]", "matches nobody"}}},
		{"hours", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{rule("a", policy.Allow{Hours: []policy.HoursConfig{
			{Days: []string{"mon-fri", "SAT", "someday", "mon-"}, From: "8:00", To: "25:00", Zone: "Mars/Olympus"}, {From: "08:00", To: "08:00"}}}, "/a")}},
			[]says{{"rules[0].allow.hours[0].days[2]", "not a day"}, {"rules[0].allow.hours[0].days[3]", "not a day"}, {"rules[0].allow.hours[0].from", "08:00"}, {"rules[0].allow.hours[0].to", "24:00"},
				{"rules[0].allow.hours[0].zone", "not a time zone"}, {"rules[0].allow.hours[1].to", "ends when it begins"}, {"rules[0].allow.hours[1].zone", "is missing"}}},
		{"who", policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{
			rule("a", policy.Allow{Who: "everyone", Groups: []string{"x"}}, "/a"), rule("b", policy.Allow{Who: "anyone"}, "/b"),
			rule("c", policy.Allow{Who: "anyone", Groups: []string{"x"}, Networks: []string{"::1"}}, "/c"),
			{Name: "d", Paths: []string{"/d"}, RequireFactor: true, Allow: policy.Allow{Who: "anyone", Networks: []string{"::1"}}}}},
			[]says{{"rules[0].allow.who", "not known"}, {"rules[1].allow", "allow: anyone"}, {"rules[2].allow.who", "only networks and hours"}, {"rules[3].require_factor", "no sense"}}},
		{"tests with surroundings", policy.Config{DefaultAllow: "nobody", Tests: []policy.TestConfig{
			{Request: "GET /a", Expect: "deny", Address: "10.0.0.0/8", At: "monday", Factor: "yes"},
			{Request: "GET /a", Expect: "step_up", Address: "::1", At: "2026-03-02T09:30:00+01:00", Factor: "missing"}}},
			[]says{{"tests[0].address", "IP address"}, {"tests[0].at", "offset"}, {"tests[0].factor", "proven or missing"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.cfg.Validate()
			check(t, got, tc.wants)
			for _, p := range got {
				if p.Warning {
					t.Errorf("%+v is only a warning", p)
				}
			}
			if _, err := policy.New(tc.cfg); (err != nil) != (len(tc.wants) > 0) {
				t.Errorf("New: %v", err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	rule := func(name string, methods, upstreams []string, paths ...string) policy.RuleConfig {
		return policy.RuleConfig{Name: name, Methods: methods, Upstreams: upstreams, Paths: paths, Allow: policy.Allow{Word: "anyone"}}
	}
	for _, tc := range []struct {
		name   string
		a, b   policy.RuleConfig
		warned bool
	}{
		{"after a rule without paths", rule("a", nil, nil), rule("b", nil, nil, "/b"), true},
		{"after /**", rule("a", nil, nil, "/**"), rule("b", nil, nil), true},
		{"same pattern", rule("a", nil, nil, "/x", "/b/*"), rule("b", nil, nil, "/b/*"), true},
		{"below a prefix", rule("a", nil, nil, "/b/**"), rule("b", nil, nil, "/b/c/*"), true},
		{"one path left", rule("a", nil, nil, "/b/**"), rule("b", nil, nil, "/b/c", "/d"), false},
		{"wider", rule("a", nil, nil, "/b/c/**"), rule("b", nil, nil, "/b/**"), false},
		{"fewer methods first", rule("a", []string{"GET"}, nil), rule("b", nil, nil), false},
		{"more methods first", rule("a", []string{"GET", "HEAD"}, nil), rule("b", []string{"GET"}, nil, "/b"), true},
		{"two rules together", rule("a", nil, nil, "/b/**", "/c"), rule("b", nil, nil, "/c", "/b/x"), true},
		{"a suffix takes an end", rule("a", nil, nil, "/**/export"), rule("b", nil, nil, "/deals/*/export"), true},
		{"a suffix does not take a subtree", rule("a", nil, nil, "/**/export"), rule("b", nil, nil, "/export/**"), false},
		{"a star takes a name", rule("a", nil, nil, "/v*/x"), rule("b", nil, nil, "/v1/x"), true},
		{"a name does not take a star", rule("a", nil, nil, "/v1/x"), rule("b", nil, nil, "/v*/x"), false},
		{"a star does not take none", rule("a", nil, nil, "/*/x"), rule("b", nil, nil, "/**/x"), false},
		{"other upstream first", rule("a", nil, []string{"crm"}), rule("b", nil, []string{"wiki"}), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{tc.a, tc.b}}
			got := cfg.Validate()
			if tc.warned {
				check(t, got, []says{{"rules[1]", "never decides"}})
				if !got[0].Warning {
					t.Error("not a warning")
				}
			} else {
				check(t, got, nil)
			}
			if _, err := policy.New(cfg); err != nil {
				t.Errorf("a warning kept the rules from compiling: %v", err)
			}
		})
	}
}

func TestUnreachableBySeveral(t *testing.T) {
	anyone := policy.Allow{Word: "anyone"}
	cfg := policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{
		{Name: "read", Methods: []string{"GET", "HEAD"}, Paths: []string{"/a/**"}, Allow: anyone},
		{Name: "b", Paths: []string{"/b"}, Allow: anyone},
		{Name: "write", Methods: []string{"POST"}, Paths: []string{"/a/**"}, Allow: anyone},
		{Name: "lost", Methods: []string{"GET", "POST"}, Paths: []string{"/a/x", "/b"}, Allow: anyone},
		{Name: "left", Methods: []string{"GET", "PUT"}, Paths: []string{"/a/x"}, Allow: anyone},
	}}
	check(t, cfg.Validate(), []says{{"rules[3]", `rules[0] ("read") and rules[2] ("write") and rules[1] ("b") match first`}})
}

func TestReferences(t *testing.T) {
	cfg := policy.Config{
		Rules: []policy.RuleConfig{{Upstreams: []string{"crm", "crn"}, Allow: policy.Allow{Providers: []string{"local", "contoso", "contso"}}}},
		Tests: []policy.TestConfig{{Upstream: "wiki", Provider: "nope"}, {}},
	}
	check(t, cfg.References([]string{"crm"}, []string{"contoso"}), []says{
		{"rules[0].upstreams[1]", "Did you mean crm?"},
		{"rules[0].allow.providers[2]", "Did you mean contoso?"},
		{"tests[0].upstream", "Known: crm"},
		{"tests[0].provider", "Known: contoso, local"},
	})
}

func TestRunTests(t *testing.T) {
	cfg := policy.Config{DefaultAllow: "signed_in",
		Rules: []policy.RuleConfig{
			{Name: "assets", Paths: []string{"/assets/**"}, Methods: []string{"GET"}, Allow: policy.Allow{Word: "anyone"}},
			{Name: "administration", Paths: []string{"/admin/**"}, Allow: policy.Allow{Groups: []string{"crm-admins"}}, RequireFactor: true},
		},
		Tests: []policy.TestConfig{
			{Request: "GET /assets/a.js", Expect: "allow"},
			{Request: "GET /contacts?id=%2e", Expect: "deny"},
			{Email: "ann@contoso.com", Request: "GET /admin/users", Expect: "deny"},
			{Email: "ann@contoso.com", Groups: []string{"crm-admins"}, Request: "GET /admin/users", Expect: "allow"},
			{Provider: "contoso", Request: "GET /contacts", Expect: "allow"},
			{Email: "ann@contoso.com", Request: "POST /admin", Expect: "allow"},
			{Request: "GET /assets/a.js", Expect: "deny"},
		}}
	check(t, policy.RunTests(cfg, nil), []says{
		{"tests[5]", `Decided by "administration": Rule "administration" wants the group crm-admins.`},
		{"tests[6]", "expected deny, got allow"},
	})

	cfg.Rules = append(cfg.Rules, policy.RuleConfig{Name: "office", Paths: []string{"/office/**"}, Allow: policy.Allow{Networks: []string{"10.0.0.0/8"}}},
		policy.RuleConfig{Name: "day", Paths: []string{"/day"}, Allow: policy.Allow{Hours: []policy.HoursConfig{{Days: []string{"mon-fri"}, From: "08:00", To: "18:00", Zone: "Europe/Berlin"}}}})
	ann := policy.TestConfig{Email: "ann@contoso.com", Groups: []string{"crm-admins"}}
	line := func(request, expect, address, at, factor string) policy.TestConfig {
		c := ann
		c.Request, c.Expect, c.Address, c.At, c.Factor = request, expect, address, at, factor
		return c
	}
	cfg.Tests = []policy.TestConfig{
		line("GET /office/x", "allow", "10.1.2.3", "", ""),
		line("GET /office/x", "deny", "192.0.2.1", "", ""),
		line("GET /office/x", "allow", "", "", ""),
		line("GET /day", "allow", "", "2026-03-02T07:30:00Z", ""),
		line("GET /day", "deny", "", "2026-03-02T17:30:00Z", ""),
		line("GET /day", "allow", "", "", ""),
		line("GET /admin", "step_up", "", "", "missing"),
		line("GET /admin", "deny", "", "", "missing"),
		line("GET /admin", "allow", "", "2026-03-02T07:30:00Z", "proven"),
		line("GET /admin", "step_up", "", "", ""),
	}
	check(t, policy.RunTests(cfg, nil), []says{{"tests[2]", "write address"}, {"tests[5]", "write at"}, {"tests[9]", "expected step_up, got allow"}})

	cfg.Rules[0].Upstreams = []string{"crm"}
	cfg.Tests = []policy.TestConfig{{Request: "GET /assets/a.js", Expect: "allow"}, {Upstream: "crm", Request: "GET /assets/a.js", Expect: "allow"}}
	check(t, policy.RunTests(cfg, nil), []says{{"tests[0].upstream", "rules name upstreams"}})
}
