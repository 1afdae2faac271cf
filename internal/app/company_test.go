package app_test

import (
	"testing"

	"crmgate/internal/fakeidp"
)

// company starts Contoso's OpenID Provider for the length of a test. It knows the gateway as client "crm" with the secret "s" and one person,
// Ann; change, where it is not nil, makes it another company.
func company(t testing.TB, gate string, change func(*fakeidp.Config)) *fakeidp.Running {
	t.Helper()
	c := fakeidp.Config{
		Algs:    []string{"ES256"},
		Clients: []fakeidp.Client{{ID: "crm", Secret: "s", RedirectURIs: []string{gate + "/_gate/callback/contoso"}}},
		Users:   []fakeidp.User{{Subject: "u-ann", Email: "ann@contoso.test", Password: "p", Name: "Ann"}},
	}
	if change != nil {
		change(&c)
	}
	idp, err := fakeidp.Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	return idp
}
