package policy_test

import (
	"strings"
	"testing"
	"time"

	"crmgate/internal/policy"
)

func TestDecide(t *testing.T) {
	ann := policy.Subject{SignedIn: true, Email: "ann@contoso.com", Groups: []string{"sales", "crm-admins"}, Provider: "contoso"}
	with := func(change func(*policy.Subject)) policy.Subject { s := ann; change(&s); return s }
	email := func(e string) policy.Subject { return with(func(s *policy.Subject) { s.Email = e }) }
	groups := func(g ...string) policy.Subject { return with(func(s *policy.Subject) { s.Groups = g }) }
	var stranger policy.Subject
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) // a Monday
	proven := func(ago time.Duration) policy.Subject {
		return with(func(s *policy.Subject) { s.At, s.FactorAt = noon, noon.Add(-ago) })
	}
	factor := policy.RuleConfig{Allow: policy.Allow{Word: "signed_in"}, RequireFactor: true}
	from := func(address string) policy.Subject { return with(func(s *policy.Subject) { s.Address = address }) }
	office := policy.RuleConfig{Allow: policy.Allow{Networks: []string{"10.0.0.0/8", "2001:db8::/32", "203.0.113.7"}}}
	hook := policy.RuleConfig{Allow: policy.Allow{Who: "anyone", Networks: []string{"203.0.113.0/24"}}}

	for _, tc := range []struct {
		name    string
		rule    policy.RuleConfig
		subject policy.Subject
		want    policy.Outcome
		reason  string
	}{
		{"anyone, stranger", policy.RuleConfig{Allow: policy.Allow{Word: "anyone"}}, stranger, policy.Allowed, "lets anyone pass"},
		{"signed_in, stranger", policy.RuleConfig{Allow: policy.Allow{Word: "signed_in"}}, stranger, policy.SignIn, "Nobody is signed in"},
		{"signed_in, ann", policy.RuleConfig{Allow: policy.Allow{Word: "signed_in"}}, ann, policy.Allowed, "signed in"},
		{"nobody, ann", policy.RuleConfig{Allow: policy.Allow{Word: "nobody"}}, ann, policy.Refuse, "lets nobody pass"},
		{"nobody, stranger", policy.RuleConfig{Allow: policy.Allow{Word: "nobody"}}, stranger, policy.SignIn, ""},
		{"group", policy.RuleConfig{Allow: policy.Allow{Groups: []string{"crm-admins"}}}, ann, policy.Allowed, "group crm-admins"},
		{"group missing", policy.RuleConfig{Allow: policy.Allow{Groups: []string{"crm-admins", "root"}}}, groups("sales"), policy.Refuse, "wants one of the groups crm-admins, root"},
		{"group, other case", policy.RuleConfig{Allow: policy.Allow{Groups: []string{"crm-admins"}}}, groups("CRM-Admins"), policy.Refuse, ""},
		{"group, part of a name", policy.RuleConfig{Allow: policy.Allow{Groups: []string{"crm-admins"}}}, groups("crm-admins2", "x,crm-admins"), policy.Refuse, ""},
		{"group, stranger", policy.RuleConfig{Allow: policy.Allow{Groups: []string{"crm-admins"}}}, policy.Subject{Groups: []string{"crm-admins"}}, policy.SignIn, ""},
		{"email", policy.RuleConfig{Allow: policy.Allow{Emails: []string{"Ann@Contoso.com"}}}, email("aNN@contoso.COM"), policy.Allowed, ""},
		{"email missing", policy.RuleConfig{Allow: policy.Allow{Emails: []string{"bob@contoso.com"}}}, ann, policy.Refuse, "the address bob@contoso.com"},
		{"email empty", policy.RuleConfig{Allow: policy.Allow{Emails: []string{"bob@contoso.com"}}}, email(""), policy.Refuse, ""},
		{"domain", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"Contoso.com"}}}, email("ann@CONTOSO.com"), policy.Allowed, ""},
		{"domain, suffix", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"contoso.com"}}}, email("ann@evilcontoso.com"), policy.Refuse, "mail domain contoso.com"},
		{"domain, subdomain", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"contoso.com"}}}, email("ann@mail.contoso.com"), policy.Refuse, ""},
		{"domain, two ats", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"contoso.com"}}}, email("ann@evil.test@contoso.com"), policy.Refuse, ""},
		{"domain, two ats turned", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"contoso.com"}}}, email("ann@contoso.com@evil.test"), policy.Refuse, ""},
		{"domain, quoted", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"contoso.com"}}}, email(`"a@evil.test"@contoso.com`), policy.Refuse, ""},
		{"domain, no local part", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"contoso.com"}}}, email("@contoso.com"), policy.Refuse, ""},
		{"domain, dot at the end", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"contoso.com"}}}, email("ann@contoso.com."), policy.Refuse, ""},
		{"domain, space at the end", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"contoso.com"}}}, email("ann@contoso.com "), policy.Refuse, ""},
		{"domain, Kelvin sign", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"bank.com"}}}, email("ann@ban\u212a.com"), policy.Refuse, ""},
		{"domain, none", policy.RuleConfig{Allow: policy.Allow{Domains: []string{"contoso.com"}}}, email("ann"), policy.Refuse, ""},
		{"provider", policy.RuleConfig{Allow: policy.Allow{Providers: []string{"contoso"}}}, ann, policy.Allowed, ""},
		{"provider, other", policy.RuleConfig{Allow: policy.Allow{Providers: []string{"local"}}}, ann, policy.Refuse, "the provider local"},
		{"all conditions", policy.RuleConfig{Allow: policy.Allow{Providers: []string{"contoso"}, Groups: []string{"sales"}}}, ann, policy.Allowed, "the group sales and the provider contoso"},
		{"one of two conditions", policy.RuleConfig{Allow: policy.Allow{Providers: []string{"contoso"}, Groups: []string{"root"}}}, ann, policy.Refuse, "the group root"},
		{"factor missing", policy.RuleConfig{Allow: policy.Allow{Word: "signed_in"}, RequireFactor: true}, ann, policy.StepUp, "second factor"},
		{"factor proven", factor, proven(9*time.Minute + 59*time.Second), policy.Allowed, ""},
		{"factor too long ago", factor, proven(10 * time.Minute), policy.StepUp, "second factor"},
		{"factor proven on a replica whose clock is ahead", factor, proven(-30 * time.Second), policy.Allowed, ""},
		{"factor in the future", factor, proven(-time.Hour), policy.StepUp, ""},
		{"factor, no clock", factor, with(func(s *policy.Subject) { s.FactorAt = noon }), policy.StepUp, ""},
		{"factor, stranger", factor, stranger, policy.SignIn, ""},
		{"factor does not open", policy.RuleConfig{Allow: policy.Allow{Groups: []string{"root"}}, RequireFactor: true}, proven(0), policy.Refuse, ""},
		{"network", office, from("10.1.2.3"), policy.Allowed, "networks 10.0.0.0/8"},
		{"network, IPv4 within IPv6", office, from("::ffff:10.1.2.3"), policy.Allowed, ""},
		{"network, IPv6 with a zone", office, from("2001:db8::1%eth0"), policy.Allowed, ""},
		{"network, single address", office, from("203.0.113.7"), policy.Allowed, ""},
		{"network, beside it", office, from("203.0.113.8"), policy.Refuse, "wants one of the networks"},
		{"network, no address", office, from(""), policy.Refuse, ""},
		{"network, junk", office, from("10.0.0.1:80"), policy.Refuse, ""},
		{"network, stranger", office, policy.Subject{Address: "10.1.2.3"}, policy.SignIn, ""},
		{"network and group", policy.RuleConfig{Allow: policy.Allow{Networks: []string{"10.0.0.0/8"}, Groups: []string{"root"}}}, from("10.1.2.3"), policy.Refuse, "group root"},
		{"anyone from a network", hook, policy.Subject{Address: "203.0.113.9"}, policy.Allowed, ""},
		{"anyone from a network, elsewhere", hook, policy.Subject{Address: "198.51.100.1"}, policy.Refuse, "network"},
		{"anyone from a network, elsewhere, signed in", hook, from("198.51.100.1"), policy.Refuse, ""},
		{"factor, refused first", policy.RuleConfig{Allow: policy.Allow{Groups: []string{"root"}}, RequireFactor: true}, ann, policy.Refuse, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.rule.Name = "the-rule"
			r := compile(t, tc.rule)
			d := r.Decide(0, tc.subject)
			if d.Outcome != tc.want || d.Rule != "the-rule" || d.Reason == "" || !strings.Contains(d.Reason, tc.reason) {
				t.Errorf("got %+v, want outcome %d and a reason with %q", d, tc.want, tc.reason)
			}
		})
	}
}

func TestDecideDefault(t *testing.T) {
	ann := policy.Subject{SignedIn: true, Email: "ann@contoso.com"}
	for _, tc := range []struct {
		name, word string
		subject    policy.Subject
		want       policy.Outcome
	}{
		{"signed_in, ann", "signed_in", ann, policy.Allowed},
		{"signed_in, stranger", "signed_in", policy.Subject{}, policy.SignIn},
		{"nobody, ann", "nobody", ann, policy.Refuse},
		{"nobody, stranger", "nobody", policy.Subject{}, policy.SignIn},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := policy.New(policy.Config{DefaultAllow: tc.word})
			if err != nil {
				t.Fatal(err)
			}
			d := r.Decide(r.Match(policy.Request{Method: "GET", Path: "/"}), tc.subject)
			if d.Outcome != tc.want || d.Rule != "default" {
				t.Errorf("got %+v, want outcome %d by default", d, tc.want)
			}
		})
	}
}

func TestDecideUnknownIndexRefuses(t *testing.T) {
	r := compile(t)
	for _, i := range []int{-2, 0, 7} {
		if d := r.Decide(i, policy.Subject{SignedIn: true}); d.Outcome != policy.Refuse {
			t.Errorf("index %d: %+v", i, d)
		}
	}
}
