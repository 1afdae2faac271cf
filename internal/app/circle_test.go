package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"crmgate/internal/fakeidp"
)

// TestRoundInCircles: a CRM that sends everybody back to the sign-in, and one provider that signs everybody straight in again.
func TestRoundInCircles(t *testing.T) {
	var content atomic.Bool
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if content.Load() {
			fmt.Fprint(w, "the CRM at last")
			return
		}
		http.Redirect(w, r, "/_gate/sign-in?return_to=/deals", http.StatusFound)
	}))
	t.Cleanup(crm.Close)
	l, gate := listen(t)
	idp := company(t, gate, nil)
	idp.SignInAs("ann@contoso.test")
	start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
local: {enabled: false}
providers: [{id: contoso, type: oidc, name: Contoso, domains: ["*"], issuer: %q, client_id: crm, client_secret: s}]
`, gate, t.TempDir(), crm.URL, idp.Issuer()))

	b := newBrowser(t)
	b.client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		navigate(req)
		if len(via) > 60 {
			return fmt.Errorf("more than 60 redirects")
		}
		return nil
	}
	if err := b.open(gate + "/deals"); err != nil {
		t.Fatal(err)
	}
	if b.status != http.StatusOK || !strings.Contains(b.parse().text, "round in circles") {
		t.Fatalf("ended at %s with %d: %s", b.url, b.status, b.parse().text)
	}
	if n := idp.Calls(fakeidp.EndpointAuthorize); n != 3 {
		t.Errorf("the provider was visited %d times, want 3", n)
	}
	content.Store(true)
	if err := b.click("Try once more"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.body, "the CRM at last") {
		t.Errorf("the button leads to %s: %s", b.url, b.parse().text)
	}

	// Without cookies there is no circle: the way back from the provider ends on a page.
	bare := &http.Client{CheckRedirect: func(req *http.Request, _ []*http.Request) error { navigate(req); return nil }}
	req, err := http.NewRequest(http.MethodGet, gate+"/deals", nil)
	if err != nil {
		t.Fatal(err)
	}
	navigate(req)
	resp, err := bare.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n := idp.Calls(fakeidp.EndpointAuthorize); resp.StatusCode < 400 || n != 5 {
		t.Errorf("without cookies: %d after %d visits", resp.StatusCode, n)
	}
}
