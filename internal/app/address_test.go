package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"crmgate/internal/fakeidp"
)

// TestAddressOfAnother signs in at a partner's provider with an address that is not the partner's to vouch for: neither a rule nor the
// CRM may take the person for its owner.
func TestAddressOfAnother(t *testing.T) {
	const boss = "ceo@contoso.test"
	for _, tt := range []struct {
		name       string
		providers  string // beside the partner's own entry
		domains    string
		unverified bool
		allowed    bool
		crmReads   string
	}{
		{"the domain is another provider's", `  - {id: contoso, type: oidc, name: Contoso, domains: [contoso.test], issuer: "http://127.0.0.1:1", client_id: crm, client_secret: s}`,
			"partner.test", false, false, "for nobody."},
		{"not verified, and nobody's domain", "", "partner.test", true, false, "for " + boss + "."},
		{"verified, and nobody's domain", "", "partner.test", false, true, "for " + boss + "."},
		{"not verified, but its own domain", "", "contoso.test", true, true, "for " + boss + "."},
		{"another takes every domain that nobody has", `  - {id: rest, type: oidc, name: Rest, domains: ["*"], issuer: "http://127.0.0.1:1", client_id: crm, client_secret: s}`,
			"partner.test", false, true, "for " + boss + "."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, gate := listen(t)
			idp, err := fakeidp.Listen(fakeidp.Config{
				Issuer: "/partner", Algs: []string{"ES256"},
				Clients: []fakeidp.Client{{ID: "crm", Secret: "s", RedirectURIs: []string{gate + "/_gate/callback/partner"}}},
				Users:   []fakeidp.User{{Subject: "u-1", Email: boss, Password: "p", Name: "Somebody", EmailUnverified: tt.unverified}},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = idp.Close() })
			idp.SignInAs(boss)
			start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
access: {rules: [{name: boss, paths: [/boss/**], allow: {emails: [%s]}}]}
providers:
  - {id: partner, type: oidc, name: Partner, domains: [%s], issuer: %q, client_id: crm, client_secret: s}
%s
`, gate, t.TempDir(), recordingCRM(t).URL, boss, tt.domains, idp.Issuer(), tt.providers))
			b := newBrowser(t)
			if err := b.open(gate + "/_gate/sign-in/partner?return_to=/deals"); err != nil {
				t.Fatal(err)
			}
			if b.status != http.StatusOK || !strings.Contains(b.body, tt.crmReads) {
				t.Errorf("the CRM answered %d %s, want %q in it", b.status, b.body, tt.crmReads)
			}
			if err := b.open(gate + "/boss/x"); err != nil {
				t.Fatal(err)
			}
			if allowed := b.status == http.StatusOK; allowed != tt.allowed {
				t.Errorf("the rule for %s let the person in: %v (%d), want %v", boss, allowed, b.status, tt.allowed)
			}
		})
	}
}
