package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/identity"
	"crmgate/internal/realtest"
)

// TestResetAnswersAreAlike asks for a reset for a local account, an account of a provider's under a foreign domain, and nobody: status,
// headers and body are the same to the last byte, but for the address that was typed.
func TestResetAnswersAreAlike(t *testing.T) {
	box := realtest.Mailbox(t)
	l, gate := listen(t)
	a := start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
providers: [{id: contoso, type: oidc, name: Contoso, domains: [contoso.test], issuer: "http://127.0.0.1:1", client_id: crm, client_secret: s}]
mail: {from: no-reply@crm.test, smtp: {host: %q, port: %d, username: %q, password: %q, ca_file: %q}}
branding: {support: {email: help@crm.test}}
`, gate, t.TempDir(), recordingCRM(t).URL, box.Host, box.Port, box.Username, box.Password, box.CAFile))
	const local, owned, nobody = "pat@partner.test", "kim@fabrikam.test", "who@nowhere.test"
	if _, _, err := a.Accounts.Invite(t.Context(), account.Invitation{Email: local}, "test"); err != nil {
		t.Fatal(err)
	}
	_, err := a.Accounts.Admit(t.Context(), identity.Identity{Provider: "contoso", Issuer: "http://127.0.0.1:1", Subject: "kim", Email: owned})
	if err != nil {
		t.Fatal(err)
	}
	answer := func(who string) string {
		t.Helper()
		resp, err := http.PostForm(gate+"/_gate/reset", url.Values{"identifier": {who}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Header.Del("Date")
		resp.Header.Del("Content-Length") // follows from the address's own length
		return strings.ReplaceAll(fmt.Sprintf("%d\n%v\n%s", resp.StatusCode, resp.Header, body), who, "WHO")
	}
	want := answer(nobody)
	for _, who := range []string{local, owned} {
		if diff := cmp.Diff(want, answer(who)); diff != "" {
			t.Errorf("nobody's answer and that for %s differ:\n%s", who, diff)
		}
	}
	box.Wait(t, owned, 1)
	box.Wait(t, local, 2) // the invitation and the reset
	if got := box.Messages(nobody); len(got) != 0 {
		t.Errorf("%d mails for nobody", len(got))
	}
}
