package app_test

import (
	"fmt"
	"strings"
	"testing"

	"crmgate/internal/realtest"
)

// A real browser, a real provider on another site that answers by form: the form's request brings no cookie of ours, and yet the sign-in
// belongs to the browser that began it.
func TestFormPostInBrowser(t *testing.T) {
	l, gate := listen(t)
	op := realtest.OIDCProvider(t, realtest.OIDCClient{
		ID: "crm", Secret: "s3cret", RedirectURIs: []string{gate + "/_gate/callback/real"}, Refresh: true,
	})
	start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
providers: [{id: real, type: oidc, name: Contoso, issuer: %q, client_id: crm, client_secret: s3cret, request: {response_mode: form_post}}]
`, gate, t.TempDir(), recordingCRM(t).URL, op.Issuer))
	b := realtest.Open(t)
	b.Go(gate + "/_gate/sign-in/real?return_to=/deals/7")
	b.Fill("[name=username]", "alice")
	b.Fill("[name=password]", "alice-pw")
	b.Click("#sign-in")
	if at := b.URL(); at != gate+"/deals/7" {
		t.Fatalf("the browser ended at %s: %s", at, b.Text("body"))
	}
	b.Go(gate + "/_gate/session")
	if session := b.Text("body"); !strings.Contains(session, "alice@example.test") {
		t.Errorf("session: %s", session)
	}
	// Signed in there still: no page of the provider's comes in between, and no cookie from our pages.
	b.Go(gate + "/_gate/sign-in/real?return_to=/deals/8")
	if at := b.URL(); at != gate+"/deals/8" {
		t.Errorf("the second sign-in ended at %s: %s", at, b.Text("body"))
	}
}
