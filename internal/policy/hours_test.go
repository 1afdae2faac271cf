package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/policy"
)

func TestHours(t *testing.T) {
	day := policy.HoursConfig{Days: []string{"mon-fri"}, From: "08:00", To: "18:00", Zone: "Europe/Berlin"}
	night := policy.HoursConfig{Days: []string{"fri"}, From: "22:00", To: "06:00", Zone: "Europe/Berlin"}
	weekend := policy.HoursConfig{Days: []string{"sat-mon"}, From: "00:00", To: "24:00", Zone: "UTC"}
	always := policy.HoursConfig{From: "00:00", To: "24:00", Zone: "UTC"}
	for _, tc := range []struct {
		name, at string
		spans    []policy.HoursConfig
		want     policy.Outcome
	}{
		{"begin", "2026-03-02T08:00:00+01:00", []policy.HoursConfig{day}, policy.Allowed},
		{"before", "2026-03-02T07:59:59+01:00", []policy.HoursConfig{day}, policy.Refuse},
		{"last minute", "2026-03-02T17:59:59+01:00", []policy.HoursConfig{day}, policy.Allowed},
		{"end", "2026-03-02T18:00:00+01:00", []policy.HoursConfig{day}, policy.Refuse},
		{"another zone, same moment", "2026-03-02T02:30:00-05:00", []policy.HoursConfig{day}, policy.Allowed},
		{"summer time", "2026-07-06T06:30:00Z", []policy.HoursConfig{day}, policy.Allowed},
		{"winter time", "2026-03-02T06:30:00Z", []policy.HoursConfig{day}, policy.Refuse},
		{"weekend", "2026-03-07T12:00:00+01:00", []policy.HoursConfig{day}, policy.Refuse},
		{"any of several", "2026-03-07T12:00:00+01:00", []policy.HoursConfig{day, weekend}, policy.Allowed},
		{"over the end of the week", "2026-03-09T23:59:00Z", []policy.HoursConfig{weekend}, policy.Allowed},
		{"after it", "2026-03-10T00:00:00Z", []policy.HoursConfig{weekend}, policy.Refuse},
		{"night, its evening", "2026-03-06T22:00:00+01:00", []policy.HoursConfig{night}, policy.Allowed},
		{"night, the morning after", "2026-03-07T05:59:00+01:00", []policy.HoursConfig{night}, policy.Allowed},
		{"night, over", "2026-03-07T06:00:00+01:00", []policy.HoursConfig{night}, policy.Refuse},
		{"night, another evening", "2026-03-07T22:00:00+01:00", []policy.HoursConfig{night}, policy.Refuse},
		{"night, the morning before", "2026-03-06T05:00:00+01:00", []policy.HoursConfig{night}, policy.Refuse},
		{"every day", "2026-03-08T03:00:00Z", []policy.HoursConfig{always}, policy.Allowed},
		{"no clock", "", []policy.HoursConfig{always}, policy.Refuse},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := compile(t, policy.RuleConfig{Allow: policy.Allow{Hours: tc.spans}})
			s := policy.Subject{SignedIn: true}
			if tc.at != "" {
				var err error
				if s.At, err = time.Parse(time.RFC3339, tc.at); err != nil {
					t.Fatal(err)
				}
			}
			if d := r.Decide(0, s); d.Outcome != tc.want {
				t.Errorf("%+v, want outcome %d", d, tc.want)
			}
		})
	}
}

func TestAdmins(t *testing.T) {
	admins := policy.NewAdmins(policy.AdminsConfig{Groups: []string{"crm-admins", ""}, Emails: []string{"Ann@Contoso.com"}})
	for _, tc := range []struct {
		name    string
		subject policy.Subject
		want    bool
	}{
		{"group", policy.Subject{SignedIn: true, Groups: []string{"x", "crm-admins"}}, true},
		{"address", policy.Subject{SignedIn: true, Email: "ann@contoso.COM"}, true},
		{"neither", policy.Subject{SignedIn: true, Email: "bob@contoso.com", Groups: []string{"CRM-admins", ""}}, false},
		{"nobody", policy.Subject{Groups: []string{"crm-admins"}, Email: "ann@contoso.com"}, false},
		{"no address", policy.Subject{SignedIn: true}, false},
	} {
		if got := admins.IsAdmin(tc.subject); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	if (policy.Admins{}).IsAdmin(policy.Subject{SignedIn: true, Groups: []string{""}}) {
		t.Error("where no administrators are named, somebody is one")
	}
	check(t, policy.AdminsConfig{Groups: []string{""}, Emails: []string{"ann"}}.Validate(), []says{{"groups[0]", "nobody"}, {"emails[0]", "one address"}})
}

func TestScope(t *testing.T) {
	s, ps := policy.NewScope([]string{"/api/**", "/export"}, []string{"GET", "POST"})
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	for _, tc := range []struct {
		method, path string
		want         bool
	}{
		{"GET", "/api", true}, {"post", "/api/v1/x", true}, {"HEAD", "/export/", true}, {"DELETE", "/api/x", false},
		{"GET", "/apis", false}, {"GET", "/", false}, {"GET", "/export/all", false},
	} {
		if got := s.Covers(tc.method, tc.path); got != tc.want {
			t.Errorf("%s %s: %v", tc.method, tc.path, got)
		}
	}
	if (policy.Scope{}).Covers("GET", "/") {
		t.Error("the empty scope covers something")
	}
	every, _ := policy.NewScope([]string{"/**"}, nil)
	if !every.Covers("DELETE", "/x") {
		t.Error("every path and method does not cover DELETE")
	}
	_, ps = policy.NewScope([]string{"api", "/a**"}, []string{"get"})
	check(t, ps, []says{{"paths[0]", "Write /api."}, {"paths[1]", "stands alone"}, {"methods[0]", "Write GET."}})
	_, ps = policy.NewScope(nil, nil)
	check(t, ps, []says{{"paths", "no path"}})
}

func TestChecks(t *testing.T) {
	r := compile(t,
		policy.RuleConfig{Allow: policy.Allow{Groups: []string{"crm-admins"}, Networks: []string{"10.0.0.0/8"}}, RequireFactor: true, Paths: []string{"/admin"}},
		policy.RuleConfig{Allow: policy.Allow{Word: "nobody"}})
	got := r.Checks(0, policy.Subject{SignedIn: true, Groups: []string{"crm-admins"}, Address: "192.0.2.1"})
	want := []policy.Check{{policy.BySignIn, "somebody who is signed in", true}, {policy.ByGroup, "the group crm-admins", true},
		{policy.FromNetwork, "the network 10.0.0.0/8", false}, {policy.WithFactor, "a second factor within the last 10m0s", false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := r.Checks(1, policy.Subject{SignedIn: true}); len(got) != 2 || got[1].Holds {
		t.Errorf("nobody: %+v", got)
	}
	steps := r.Steps(policy.Request{Method: "GET", Path: "/x"})
	if diff := cmp.Diff([]policy.Step{{Rule: "r0", Misses: "path"}, {Rule: "r1", Decides: true}, {Rule: "default"}}, steps); diff != "" {
		t.Error(diff)
	}
}
