package policy_test

import (
	"strings"
	"testing"

	"crmgate/internal/policy"
)

func TestDecide(t *testing.T) {
	ann := policy.Subject{SignedIn: true, Email: "ann@contoso.com", Groups: []string{"sales", "crm-admins"}, Provider: "contoso"}
	with := func(change func(*policy.Subject)) policy.Subject { s := ann; change(&s); return s }
	email := func(e string) policy.Subject { return with(func(s *policy.Subject) { s.Email = e }) }
	groups := func(g ...string) policy.Subject { return with(func(s *policy.Subject) { s.Groups = g }) }
	var stranger policy.Subject

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
		{"factor proven", policy.RuleConfig{Allow: policy.Allow{Word: "signed_in"}, RequireFactor: true}, with(func(s *policy.Subject) { s.Factor = true }), policy.Allowed, ""},
		{"factor does not open", policy.RuleConfig{Allow: policy.Allow{Groups: []string{"root"}}, RequireFactor: true}, with(func(s *policy.Subject) { s.Factor = true }), policy.Refuse, ""},
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
