package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"crmgate/internal/account"
	"crmgate/internal/realtest"
)

// TestForgedHost asks for a reset under hostile names of the gateway: whatever the request says, the link in the mail leads to
// public_url.
func TestForgedHost(t *testing.T) {
	box := realtest.Mailbox(t)
	l, gate := listen(t)
	a := start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
mail: {from: no-reply@crm.test, smtp: {host: %q, port: %d, username: %q, password: %q, ca_file: %q}}
`, gate, t.TempDir(), recordingCRM(t).URL, box.Host, box.Port, box.Username, box.Password, box.CAFile))

	for i, forge := range []struct {
		name string
		with func(*http.Request)
	}{
		{"Host", func(r *http.Request) { r.Host = "evil.test" }},
		{"X-Forwarded-Host", func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "evil.test") }},
		{"X-Forwarded-Proto", func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }},
		{"Forwarded", func(r *http.Request) { r.Header.Set("Forwarded", "host=evil.test;proto=https") }},
		{"X-Original-Host", func(r *http.Request) { r.Header.Set("X-Original-Host", "evil.test") }},
	} {
		t.Run(forge.name, func(t *testing.T) {
			who := fmt.Sprintf("pat%d@partner.test", i)
			if _, _, err := a.Accounts.Invite(t.Context(), account.Invitation{Email: who}, "test"); err != nil {
				t.Fatal(err)
			}
			box.Wait(t, who, 1)
			req, err := http.NewRequest(http.MethodPost, gate+"/_gate/reset", strings.NewReader(url.Values{"identifier": {who}}.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			forge.with(req)
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			mail := box.Wait(t, who, 2)[1]
			for part, text := range map[string]string{"text": mail.Text, "html": mail.HTML} {
				if strings.Contains(text, "evil.test") || !strings.Contains(text, gate+"/_gate/reset/") {
					t.Errorf("the %s part leads elsewhere than to %s:\n%s", part, gate, text)
				}
			}
		})
	}
}
