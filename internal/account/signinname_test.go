package account_test

import (
	"testing"

	"crmgate/internal/account"
	"crmgate/internal/identity"
)

type company identity.Info

func (c company) Info() identity.Info { return identity.Info(c) }

// A person is told a name that signs them in: the page sends the company's addresses to the company.
func TestSignInName(t *testing.T) {
	realms := identity.NewRealms(company{ID: "contoso", Name: "Contoso", Domains: []string{"contoso.com"}})
	for _, tt := range []struct {
		name     string
		a        account.Account
		want     string
		stranded bool
	}{
		{"address of nobody", account.Account{Owner: "local", Email: "ann@partner.example", Username: "ann"}, "ann@partner.example", false},
		{"no address", account.Account{Owner: "local", Username: "ann"}, "ann", false},
		{"address of a company", account.Account{Owner: "local", Email: "ann@contoso.com", Username: "ann"}, "ann", false},
		{"address of a company alone", account.Account{Owner: "local", Email: "ann@contoso.com"}, "ann@contoso.com", true},
		{"account of the company", account.Account{Owner: "contoso", Email: "ann@contoso.com", Username: "ann"}, "ann@contoso.com", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.SignInName(realms); got != tt.want {
				t.Errorf("signs in as %q, want %q", got, tt.want)
			}
			if info, stranded := tt.a.Stranded(realms); stranded != tt.stranded || stranded != (info.ID == "contoso" && tt.stranded) {
				t.Errorf("stranded %v at %q", stranded, info.ID)
			}
			if got := tt.a.SignInName(nil); got == "" {
				t.Error("no name without providers")
			}
		})
	}
}
