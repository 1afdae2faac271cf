package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"crmgate/internal/audit"
)

// TestStrangersCallbacks sends callbacks that belong to no attempt: whoever sends them by the thousand must not fill the database.
func TestStrangersCallbacks(t *testing.T) {
	l, gate := listen(t)
	a := start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
providers: [{id: contoso, type: oidc, issuer: "http://127.0.0.1:1", client_id: crm, client_secret: s}]
`, gate, t.TempDir(), recordingCRM(t).URL))
	for range 20 {
		resp, err := http.Get(gate + "/_gate/callback/contoso?code=x&state=x")
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusGone {
			t.Fatalf("status %d, error %v", resp.StatusCode, err)
		}
	}
	events, err := a.DB.ListEvents(t.Context(), audit.Filter{})
	if err != nil || len(events) != 0 {
		t.Errorf("%d events, error %v", len(events), err)
	}
}

// TestProviderTakenOut starts the gateway again without a provider: what it vouched for ends with it.
func TestProviderTakenOut(t *testing.T) {
	dir, crm := t.TempDir(), recordingCRM(t).URL
	yaml := func(gate, providers string) string {
		return fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
%s`, gate, dir, crm, providers)
	}
	b := newBrowser(t)
	l, gate := listen(t)
	t.Run("with it", func(t *testing.T) {
		idp := company(t, gate, nil)
		idp.SignInAs("ann@contoso.test")
		start(t, l, yaml(gate, fmt.Sprintf("providers: [{id: contoso, type: oidc, issuer: %q, client_id: crm, client_secret: s}]\n", idp.Issuer())))
		if err := b.open(gate + "/_gate/sign-in/contoso"); err != nil || b.status != http.StatusOK {
			t.Fatalf("sign-in: %d, %v", b.status, err)
		}
	})
	l, again := listen(t)
	start(t, l, yaml(again, ""))
	before, err := url.Parse(gate)
	if err != nil {
		t.Fatal(err)
	}
	if got := statusWith(t, again+"/_gate/session", b.client.Jar.Cookies(before)); got != http.StatusUnauthorized {
		t.Errorf("the session of a provider that was taken out: %d", got)
	}
}
