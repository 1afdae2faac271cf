package web_test

import (
	"context"
	"strings"
	"testing"

	"crmgate/internal/account"
	"crmgate/internal/identity"
)

// A person with two accounts of one address is told so, on both; a provider that says whose address it likes learns nothing.
func TestOtherAccountIsTold(t *testing.T) {
	both := []*account.Account{{ID: "acc-1", Owner: "contoso"}, {ID: "acc-2", Owner: "local"}}
	for _, tt := range []struct {
		name, provider, email string
		found                 []*account.Account
		want                  string
	}{
		{"company's", "contoso", "ann@contoso.com", both, "another account with your address. One signs in to it with a user name and a password for Example CRM alone."},
		{"local", "local", "ann@contoso.com", []*account.Account{{ID: "acc-1", Owner: "local"}, {ID: "acc-2", Owner: "contoso"}}, "another account with your address. One signs in to it with Contoso."},
		{"an address that is not the company's", "contoso", "ann@partner.example", both, ""},
		{"an address of another company", "contoso", "ann@fabrikam.com", both, ""},
		{"none", "contoso", "ann@contoso.com", both[:1], ""},
		{"one that nobody can use", "contoso", "ann@contoso.com", []*account.Account{both[0], {ID: "acc-2", Owner: "local", State: account.Disabled}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			o := (&own{}).in(w, tt.provider)
			o.sessions[1].Email = tt.email
			w.Account.Find = func(context.Context, string) ([]*account.Account, error) { return tt.found, nil }
			words := parse(t, w.do("GET", "/_gate/account", "").Body.String()).words()
			if told := strings.Contains(words, "another account"); told != (tt.want != "") || !strings.Contains(words, tt.want) {
				t.Errorf("no %q in %s", tt.want, words)
			}
		})
	}
}

// Whoever sets up a local account is told a name that will sign them in: a company's address leads to the company.
func TestNameToSignInWith(t *testing.T) {
	for _, tt := range []struct{ name, username, want, notice string }{
		{"a user name", "ann.local", "ann.local", ""},
		{"none", "", "ann@partner.example", "leads to Partner, where this password is not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.Realms = identity.NewRealms(fakeProvider{ID: "partner", Name: "Partner", Domains: []string{"partner.example"}, Redirects: true})
			w.accounts.username = tt.username
			form := parse(t, w.do("GET", "/_gate/invite/set", "", withLink).Body.String())
			if got := form.one(t, "input[autocomplete=username]").attr["value"]; got != tt.want {
				t.Errorf("the form saves a password for %q, want %q", got, tt.want)
			}
			page := parse(t, w.do("POST", "/_gate/invite/set", "password=correct+horse+battery&password_confirm=correct+horse+battery", withLink).Body.String())
			words := page.words()
			if !strings.Contains(words, "Sign in with "+tt.want+" ") || !strings.Contains(words, tt.notice) || strings.Contains(words, "leads to") != (tt.notice != "") {
				t.Errorf("page says %s", words)
			}
		})
	}
}
