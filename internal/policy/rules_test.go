package policy_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"crmgate/internal/policy"
)

func compile(t testing.TB, rules ...policy.RuleConfig) *policy.Rules {
	t.Helper()
	for i := range rules {
		if rules[i].Name == "" {
			rules[i].Name = fmt.Sprintf("r%d", i)
		}
		if a := rules[i].Allow; a.Word == "" && a.Groups == nil && a.Emails == nil && a.Domains == nil && a.Providers == nil && a.Networks == nil && a.Hours == nil {
			rules[i].Allow.Word = "anyone"
		}
	}
	r, err := policy.New(policy.Config{DefaultAllow: "signed_in", Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMatchPatterns(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		yes, no []string
	}{
		{"/", []string{"/"}, []string{"/a", "/a/"}},
		{"/admin", []string{"/admin", "/admin/"}, []string{"/", "/Admin", "/administrator", "/admin/users", "/x/admin"}},
		{"/admin/", []string{"/admin", "/admin/"}, []string{"/admin/users"}},
		{"/admin/**", []string{"/admin", "/admin/", "/admin/users", "/admin/users/7/edit"}, []string{"/", "/administrator", "/x/admin"}},
		{"/admin/*", []string{"/admin/users", "/admin/users/"}, []string{"/admin", "/admin/", "/admin/users/7"}},
		{"/**", []string{"/", "/a", "/a/b/c"}, nil},
		{"/*", []string{"/a", "/a/"}, []string{"/", "/a/b"}},
		{"/**/export", []string{"/export", "/a/export", "/a/b/export/"}, []string{"/a/exports", "/export/a"}},
		{"/a/**/b/**/c", []string{"/a/b/c", "/a/x/b/y/z/c", "/a/b/b/c/c"}, []string{"/a/c", "/a/c/b", "/b/c"}},
		{"/a/**/**/b", []string{"/a/b", "/a/x/y/b"}, []string{"/a"}},
		{"/img/*.png", []string{"/img/a.png", "/img/.png"}, []string{"/img/a.png.html", "/img/a/b.png", "/img"}},
		{"/v*/users-*-list", []string{"/v1/users-a-list", "/v/users--list"}, []string{"/v1/users-list", "/w1/users-a-list"}},
		{"/*a*a*a*b", []string{"/aaab", "/xaxaxab"}, []string{"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "/aab"}},
		{"/dé/ü*", []string{"/dé/über"}, []string{"/de/uber"}},
	} {
		t.Run(tc.pattern, func(t *testing.T) {
			r := compile(t, policy.RuleConfig{Paths: []string{tc.pattern}})
			for _, p := range tc.yes {
				if r.Match(policy.Request{Method: "GET", Path: p}) != 0 {
					t.Errorf("%s does not match %s", tc.pattern, p)
				}
			}
			for _, p := range tc.no {
				if r.Match(policy.Request{Method: "GET", Path: p}) != -1 {
					t.Errorf("%s matches %s", tc.pattern, p)
				}
			}
		})
	}
}

func TestMatchOrderMethodsUpstreams(t *testing.T) {
	r := compile(t,
		policy.RuleConfig{Paths: []string{"/assets/**"}, Methods: []string{"GET", "HEAD"}},
		policy.RuleConfig{Paths: []string{"/**/secret"}},
		policy.RuleConfig{Paths: []string{"/assets/**"}, Upstreams: []string{"crm"}},
		policy.RuleConfig{Paths: []string{"/a", "/b/**"}},
		policy.RuleConfig{Methods: []string{"DELETE"}},
	)
	for _, tc := range []struct {
		upstream, method, path string
		want                   int
	}{
		{"crm", "GET", "/assets/app.js", 0},
		{"crm", "HEAD", "/assets/app.js", 0},
		{"crm", "get", "/assets/app.js", 0},
		{"crm", "POST", "/assets/app.js", 2},
		{"crm", "POST", "/assets/secret", 1},
		{"crm", "GET", "/assets/secret", 0},
		{"wiki", "POST", "/assets/app.js", -1},
		{"wiki", "DELETE", "/assets/app.js", 4},
		{"wiki", "delete", "/assets/app.js", 4},
		{"crm", "GET", "/b/c/d", 3},
		{"crm", "GET", "/a", 3},
		{"crm", "GET", "/nothing", -1},
		{"crm", "GET", "/", -1},
	} {
		if got := r.Match(policy.Request{Upstream: tc.upstream, Method: tc.method, Path: tc.path}); got != tc.want {
			t.Errorf("%s %s %s: rule %d, want %d", tc.upstream, tc.method, tc.path, got, tc.want)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	r := manyRules(t)
	s := policy.Subject{SignedIn: true, Email: "ann@contoso.com", Groups: []string{"a", "crm-admins"}}
	req := policy.Request{Upstream: "crm", Method: "GET", Path: "/section150/users/7/edit"}
	if n := testing.AllocsPerRun(100, func() { r.Decide(r.Match(req), s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func manyRules(t testing.TB) *policy.Rules { return compile(t, manyRuleConfigs()...) }

func manyRuleConfigs() []policy.RuleConfig {
	var rules []policy.RuleConfig
	for i := range 199 {
		rules = append(rules, policy.RuleConfig{Paths: []string{fmt.Sprintf("/section%d/**", i)},
			Allow: policy.Allow{Groups: []string{"crm-admins", "sales"}}})
	}
	return append(rules, policy.RuleConfig{Paths: []string{"/**/export"}, Allow: policy.Allow{Word: "nobody"}})
}

// sameStartConfigs are 200 rules that only a late segment tells apart, a third of them by their end alone.
func sameStartConfigs() []policy.RuleConfig {
	var rules []policy.RuleConfig
	for i := range 200 {
		path := fmt.Sprintf("/api/v1/thing%d/**", i)
		if i%3 == 1 {
			path = fmt.Sprintf("/api/**/end%d", i)
		}
		rules = append(rules, policy.RuleConfig{Paths: []string{path}})
	}
	return rules
}

// plain is a set of rules of which each is compiled by itself: what the first of them says that matches is what all together must say.
type plain []*policy.Rules

func oneByOne(t testing.TB, rules []policy.RuleConfig) plain {
	var p plain
	for _, r := range rules {
		p = append(p, compile(t, r))
	}
	return p
}

func (p plain) match(req policy.Request) int {
	for i, r := range p {
		if r.Match(req) == 0 {
			return i
		}
	}
	return -1
}

// BenchmarkMatch200 shows what 200 rules cost, beside the plainest way to ask them: one after the other.
func BenchmarkMatch200(b *testing.B) {
	r := manyRules(b)
	alone := oneByOne(b, manyRuleConfigs())
	b.Run("baseline/hit", func(b *testing.B) {
		req := policy.Request{Upstream: "crm", Method: "GET", Path: "/section150/users/7/edit"}
		for b.Loop() {
			alone.match(req)
		}
	})
	sameStart := compile(b, sameStartConfigs()...)
	b.Run("match/same start", func(b *testing.B) {
		req := policy.Request{Upstream: "crm", Method: "GET", Path: "/api/v1/thing150/7"}
		for b.Loop() {
			sameStart.Match(req)
		}
	})
	s := policy.Subject{SignedIn: true, Email: "ann@contoso.com", Groups: []string{"a", "crm-admins"}}
	for name, path := range map[string]string{"hit": "/section150/users/7/edit", "default": "/contacts/7"} {
		req := policy.Request{Upstream: "crm", Method: "GET", Path: path}
		b.Run("match/"+name, func(b *testing.B) {
			for b.Loop() {
				r.Match(req)
			}
		})
		b.Run("match+decide/"+name, func(b *testing.B) {
			for b.Loop() {
				r.Decide(r.Match(req), s)
			}
		})
	}
}

// FuzzMatch holds the matcher against the plainest one that can be written, on lengths that the plain one can bear.
func FuzzMatch(f *testing.F) {
	f.Add("/admin/**", "/admin/users")
	f.Add("/a/**/b*/**/c", "/a/b/c/bb/c")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		cfg := policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{{Name: "r", Paths: []string{pattern}, Allow: policy.Allow{Word: "anyone"}}}}
		r, err := policy.New(cfg)
		if err != nil || len(path) > 20 || len(pattern) > 20 {
			t.Skip()
		}
		got := r.Match(policy.Request{Method: "GET", Path: path}) == 0
		if want := plainMatch(split(pattern), split(path)); got != want {
			t.Errorf("%q on %q: %v, want %v", pattern, path, got, want)
		}
	})
}

// FuzzFirstMatchDecides holds the index against reading the rules from the top.
func FuzzFirstMatchDecides(f *testing.F) {
	f.Add("/a/**\nGET /a/b\n/**/c\n/a/*/c\n/*\n\n", "/a/b/c", "POST")
	f.Add("/**\n/a", "/a", "GET")
	f.Add("/x*/**\n/**/y\n/a/**/b/**/c\n/a/b", "/a/b/", "get")
	f.Fuzz(func(t *testing.T, lines, path, method string) {
		var rules []policy.RuleConfig
		for line := range strings.SplitSeq(lines, "\n") {
			r := policy.RuleConfig{Name: fmt.Sprintf("r%d", len(rules)), Allow: policy.Allow{Word: "anyone"}}
			if m, rest, ok := strings.Cut(line, " "); ok {
				r.Methods, line = []string{m}, rest
			}
			if line != "" {
				r.Paths = strings.Split(line, "|")
			}
			one := policy.Config{DefaultAllow: "nobody", Rules: []policy.RuleConfig{r}}
			if _, err := policy.New(one); err == nil && len(rules) < 20 {
				rules = append(rules, r)
			}
		}
		req := policy.Request{Method: method, Path: path}
		if got, want := compile(t, rules...).Match(req), oneByOne(t, rules).match(req); got != want {
			t.Errorf("%+v of %+v: rule %d, want %d", req, rules, got, want)
		}
	})
}

// TestFirstMatchDecides is the fuzz test with many rules and paths of a few words, so that most of them meet.
func TestFirstMatchDecides(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"a", "b", "c", "*", "**", "a*", "**", "b"}
	pick := func(from []string, most int) string {
		path := ""
		for range random.IntN(most) {
			path += "/" + from[random.IntN(len(from))]
		}
		return cmp.Or(path, "/")
	}
	for range 300 {
		var rules []policy.RuleConfig
		for range 1 + random.IntN(12) {
			r := policy.RuleConfig{Paths: []string{pick(words, 5), pick(words, 4)}[:random.IntN(3)]}
			if random.IntN(3) == 0 {
				r.Methods = []string{"GET"}
			}
			if random.IntN(4) == 0 {
				r.Upstreams = []string{"crm"}
			}
			rules = append(rules, r)
		}
		all, alone := compile(t, rules...), oneByOne(t, rules)
		for range 40 {
			req := policy.Request{Upstream: []string{"crm", "wiki"}[random.IntN(2)], Method: []string{"GET", "POST", "get"}[random.IntN(3)],
				Path: pick([]string{"a", "b", "c", "ab"}, 5)}
			got, want := all.Match(req), alone.match(req)
			if got != want {
				t.Fatalf("%+v of %+v: rule %d, want %d", req, rules, got, want)
			}
			steps := all.Steps(req)
			if i := slices.IndexFunc(steps, func(s policy.Step) bool { return s.Decides }); i != want && !(want == -1 && i == len(rules)) {
				t.Fatalf("%+v of %+v: Steps says rule %d, want %d", req, rules, i, want)
			}
		}
	}
}

func split(s string) []string {
	var out []string
	if s != "" && s[0] == '/' {
		s = s[1:]
	}
	for i, start := 0, 0; i <= len(s); i++ {
		if i == len(s) || s[i] == '/' {
			if i < len(s) || start < i {
				out = append(out, s[start:i])
			}
			start = i + 1
		}
	}
	return out
}

func plainMatch(pat, path []string) bool {
	switch {
	case len(pat) == 0:
		return len(path) == 0
	case pat[0] == "**":
		return plainMatch(pat[1:], path) || len(path) > 0 && plainMatch(pat, path[1:])
	case len(path) == 0:
		return false
	}
	return segmentMatch(pat[0], path[0]) && plainMatch(pat[1:], path[1:])
}

func segmentMatch(pat, text string) bool {
	for i := range pat {
		if pat[i] == '*' {
			return text != "" && plainGlob(pat, text)
		}
	}
	return pat == text
}

func plainGlob(pat, text string) bool {
	switch {
	case pat == "":
		return text == ""
	case pat[0] == '*':
		return plainGlob(pat[1:], text) || text != "" && plainGlob(pat, text[1:])
	case text == "":
		return false
	}
	return pat[0] == text[0] && plainGlob(pat[1:], text[1:])
}
