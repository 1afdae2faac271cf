package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crmgate/internal/fakeidp"
)

// TestProviderTokens lets programs call the CRM with access tokens that a provider issued, through the whole gateway.
func TestProviderTokens(t *testing.T) {
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "CRM for %s in %s, %d assertions, %q", r.Header.Get("X-Forwarded-Email"), r.Header.Get("X-Forwarded-Groups"),
			len(r.Header["X-Crmgate-Assertion"]), r.Header.Get("Authorization"))
	}))
	t.Cleanup(crm.Close)
	binary := buildBinary(t)
	l, gate := listen(t)
	idp := company(t, gate, func(c *fakeidp.Config) {
		c.Issuer = "/contoso"
		c.Users[0].Groups = []string{"sales"}
	})
	idp.SignInAs("ann@contoso.test")
	yaml := fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
access: {rules: [{name: sales, paths: [/api/**], allow: {groups: [sales]}}, {name: closed, paths: [/closed/**], allow: {groups: [others]}}]}
providers: [{id: contoso, type: oidc, name: Contoso, issuer: %q, client_id: crm, client_secret: s, claims: {groups: groups}, api: {audiences: ["api://crm"]}}]
`, gate, t.TempDir(), crm.URL, idp.Issuer())
	start(t, l, yaml)
	config := filepath.Join(t.TempDir(), "crmgate.yaml")
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	token := func(signing fakeidp.Signing, audience string, edit func(map[string]any)) string {
		t.Helper()
		idp.SetFaults(fakeidp.Faults{Signing: signing})
		defer idp.SetFaults(fakeidp.Faults{})
		raw, err := idp.AccessToken("crm", "u-ann", audience, edit)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	call := func(path, token string) (int, string) {
		t.Helper()
		r, err := http.NewRequest("GET", gate+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	good := token(fakeidp.SignHonestly, "api://crm", nil)
	if status, body := call("/api/x", good); status != http.StatusForbidden || !strings.Contains(body, "belongs to nobody") {
		t.Errorf("somebody who never signed in: %d %s", status, body)
	}
	if err := newBrowser(t).open(gate + "/_gate/sign-in/contoso"); err != nil {
		t.Fatal(err)
	}
	ended := func(c map[string]any) { c["exp"] = time.Now().Add(-10 * time.Minute).Unix() }
	for _, tc := range []struct {
		name, path, token string
		status            int
		body              string
	}{
		{"good", "/api/x", token(fakeidp.SignHonestly, "api://crm", nil), 200, `CRM for ann@contoso.test in sales, 1 assertions, ""`},
		{"what its groups may not", "/closed/x", token(fakeidp.SignHonestly, "api://crm", nil), 403, "closed"},
		{"other groups than at the sign-in", "/api/x", token(fakeidp.SignHonestly, "api://crm", func(c map[string]any) { c["groups"] = []string{"others"} }), 403, "sales"},
		{"ended", "/api/x", token(fakeidp.SignHonestly, "api://crm", ended), 401, "not good (any more)"},
		{"none", "/api/x", token(fakeidp.SignNone, "api://crm", nil), 401, "not good (any more)"},
		{"a secret for a key", "/api/x", token(fakeidp.SignHS256Secret, "api://crm", nil), 401, "not good (any more)"},
		{"unknown key", "/api/x", token(fakeidp.SignUnknownKid, "api://crm", nil), 401, "not good (any more)"},
		{"foreign key", "/api/x", token(fakeidp.SignForeignKey, "api://crm", nil), 401, "not good (any more)"},
		{"for another audience, so not for us to judge", "/api/x", token(fakeidp.SignHonestly, "api://other", nil), 401, "sign_in_required"},
		{"for the sign-in", "/api/x", token(fakeidp.SignHonestly, "crm", nil), 401, "sign_in_required"},
		{"without an audience", "/api/x", token(fakeidp.SignHonestly, "api://crm", func(c map[string]any) { delete(c, "aud") }), 401, "sign_in_required"},
	} {
		if status, body := call(tc.path, tc.token); status != tc.status || !strings.Contains(body, tc.body) {
			t.Errorf("%s: %d %s, want %d with %s", tc.name, status, body, tc.status, tc.body)
		}
	}
	idp.SetFaults(fakeidp.Faults{Keys: fakeidp.Trouble{Status: 500}})
	for range 3 {
		if status, body := call("/api/x", good); status != 200 {
			t.Errorf("a token that is known, with the keys away: %d %s", status, body)
		}
	}
	if out, err := exec.Command(binary, "user", "disable", "-c", config, "--email", "ann@contoso.test").CombinedOutput(); err != nil {
		t.Fatalf("user disable: %v\n%s", err, out)
	}
	eventually(t, "the account to be kept out", func() bool {
		status, _ := call("/api/x", good)
		return status == http.StatusForbidden
	})
}
