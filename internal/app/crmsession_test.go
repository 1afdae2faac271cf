package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"crmgate/internal/fakeidp"
)

// TestThePersonChanges lets two people sign in at one browser, one after the other, in front of a CRM that keeps to the first identity it
// saw under its own cookie. Each must see their own data, by each of the two ways there are to get that.
func TestThePersonChanges(t *testing.T) {
	for name, cookies := range map[string]string{"bound": "{bind: true}", "cleared": `{clear: ["DOLSESSID_*"]}`} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			owners := map[string]string{}
			crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				who := r.Header.Get("X-Forwarded-Email")
				if c, err := r.Cookie("DOLSESSID_1"); err == nil && owners[c.Value] != "" {
					who = owners[c.Value]
				} else {
					id := fmt.Sprint("s", len(owners))
					owners[id] = who
					http.SetCookie(w, &http.Cookie{Name: "DOLSESSID_1", Value: id, Path: "/", HttpOnly: true})
				}
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprintf(w, "<p>data of %s</p>", who)
			}))
			t.Cleanup(crm.Close)
			l, gate := listen(t)
			idp := company(t, gate, func(c *fakeidp.Config) {
				c.Issuer = "/contoso"
				c.Users = []fakeidp.User{{Subject: "a", Email: "ann@contoso.test", Password: "p"}, {Subject: "b", Email: "bob@contoso.test", Password: "p"}}
			})
			start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q], cookies: %s}]
session: {clear_site_data: [cache, storage]}
local: {reset: {enabled: false}}
providers: [{id: contoso, type: oidc, name: Contoso, issuer: %q, client_id: crm, client_secret: s, logout: local}]
`, gate, t.TempDir(), crm.URL, cookies, idp.Issuer()))
			b := newBrowser(t)
			for _, who := range []string{"ann@contoso.test", "bob@contoso.test", "ann@contoso.test"} {
				idp.SignInAs(who)
				if err := b.open(gate + "/_gate/sign-in/contoso?return_to=/deals"); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if err := b.open(gate + "/deals"); err != nil || !strings.Contains(b.body, "data of "+who) {
						t.Fatalf("%s sees %s (%v)", who, b.body, err)
					}
				}
				b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				res, err := b.client.Post(gate+"/_gate/sign-out", "application/x-www-form-urlencoded", nil)
				b.client.CheckRedirect = nil
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if got := res.Header.Get("Clear-Site-Data"); got != `"cache", "storage"` {
					t.Errorf("Clear-Site-Data %q, status %d", got, res.StatusCode)
				}
				left := slices.ContainsFunc(b.client.Jar.Cookies(b.url), func(c *http.Cookie) bool { return c.Name == "DOLSESSID_1" })
				if left != (name == "bound") {
					t.Errorf("the CRM's cookie is left: %t", left)
				}
			}
		})
	}
}
