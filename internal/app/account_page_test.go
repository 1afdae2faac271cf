package app_test

import (
	"strings"
	"testing"

	"crmgate/internal/realtest"
)

// The person's own page in a browser: every page and form of it works, without an error in the console.
func TestAccountPagesInBrowser(t *testing.T) {
	a, gate := localGateway(t, "")
	b := realtest.Open(t)
	invited(t, a, gate, b)
	at(t, b, "/deals")

	other := newBrowser(t) // a second browser, which nobody has to look at
	steps := []func() error{
		func() error { return other.open(gate + "/_gate/sign-in?return_to=/deals") },
		func() error { return other.submit(map[string]string{"identifier": "pat@partner.test"}) },
		func() error {
			return other.submit(map[string]string{"identifier": "pat@partner.test", "password": "wrong"})
		},
		func() error { return other.open(gate + "/_gate/sign-in?return_to=/deals") },
		func() error { return other.submit(map[string]string{"identifier": "pat@partner.test"}) },
		func() error {
			return other.submit(map[string]string{"identifier": "pat@partner.test", "password": pats})
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	b.Go(gate + "/_gate/account")
	if got := b.Text("h1"); got != "Hello, Pat Partner" {
		t.Errorf("heading %q", got)
	}
	shots(b, "account-overview")
	b.Go(gate + "/_gate/account/name")
	shots(b, "account-name")
	b.Fill("#name", "Pat Okafor")
	b.Click("main button[type=submit]")
	at(t, b, "/_gate/account")
	b.Go(gate + "/_gate/account/tokens")
	shots(b, "account-tokens")
	b.Fill("#name", "nightly export")
	b.Click("form[action$='/tokens'] button[type=submit]")
	if secret := b.Text("#secret"); !strings.HasPrefix(secret, "cmg_") {
		t.Errorf("secret %q", secret)
	}
	shots(b, "account-token-made")
	b.Go(gate + "/_gate/account/history")
	if words := b.Text("main"); !strings.Contains(words, "wrong password") {
		t.Errorf("history: %s", words)
	}
	shots(b, "account-history")
	b.Go(gate + "/_gate/account/devices")
	shots(b, "account-devices")
	b.Click("form[action$='/end-others'] button")
	if words := b.Text("main"); !strings.Contains(words, "You are signed in nowhere else") {
		t.Errorf("devices: %s", words)
	}
	b.Go(gate + "/_gate/account/not-me")
	shots(b, "account-not-me")
	b.Click("main button[type=submit]")
	if got := b.Text("h1"); got != "Your account is locked" {
		t.Errorf("heading %q", got)
	}
	shots(b, "account-locked")
	b.Go(gate + "/_gate/account")
	at(t, b, "/_gate/sign-in")
	if errs := b.Errors(); len(errs) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(errs, "\n"))
	}
}
