package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"crmgate/internal/fakeidp"
)

// corporate starts a gateway with one provider at which everybody is Ann, without a page.
func corporate(t *testing.T) (gate string, idp *fakeidp.Running) {
	t.Helper()
	l, gate := listen(t)
	idp = company(t, gate, nil)
	idp.SignInAs("ann@contoso.test")
	start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
providers: [{id: contoso, type: oidc, name: Contoso, domains: [contoso.test], issuer: %q, client_id: crm, client_secret: s}]
`, gate, t.TempDir(), recordingCRM(t).URL, idp.Issuer()))
	return gate, idp
}

// halfway begins a sign-in and stops before the callback, whose address it returns.
func halfway(t *testing.T, b *browser, gate, returnTo string) string {
	t.Helper()
	client := *b.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	at := gate + "/_gate/sign-in/contoso?return_to=" + url.QueryEscape(returnTo)
	for range 5 {
		resp, err := client.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		next, err := resp.Location()
		if err != nil {
			t.Fatalf("%s answered %d without a Location", at, resp.StatusCode)
		}
		if at = next.String(); strings.HasPrefix(at, gate+"/_gate/callback/") {
			return at
		}
	}
	t.Fatal("no callback after five redirects")
	return ""
}

func TestAttempts(t *testing.T) {
	gate, idp := corporate(t)
	open := func(t *testing.T, b *browser, address string) {
		t.Helper()
		if err := b.open(address); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a callback belongs to the browser that began", func(t *testing.T) {
		victim, attacker := newBrowser(t), newBrowser(t)
		callback := halfway(t, attacker, gate, "/a")
		open(t, victim, gate+"/_gate/help")
		open(t, victim, callback)
		if victim.status != http.StatusGone || !strings.Contains(victim.header.Get("Content-Type"), "text/html") {
			t.Errorf("in another browser: %d %s", victim.status, victim.header.Get("Content-Type"))
		}
		open(t, victim, gate+"/_gate/session")
		if victim.status != http.StatusUnauthorized {
			t.Errorf("the other browser is signed in: %s", victim.body)
		}
		open(t, attacker, callback)
		if attacker.url.Path != "/a" {
			t.Errorf("the browser that began got to %s", attacker.url)
		}
	})
	t.Run("a used callback keeps the session and asks the provider nothing", func(t *testing.T) {
		b := newBrowser(t)
		callback := halfway(t, b, gate, "/a")
		open(t, b, callback)
		before := idp.Calls(fakeidp.EndpointToken)
		open(t, b, callback)
		if b.status != http.StatusGone {
			t.Errorf("reloaded callback: %d", b.status)
		}
		if got := idp.Calls(fakeidp.EndpointToken); got != before {
			t.Errorf("the reload sent the code again: %d token requests, want %d", got, before)
		}
		open(t, b, gate+"/_gate/session")
		if b.status != http.StatusOK {
			t.Errorf("after the reload the session is gone: %d", b.status)
		}
	})
	t.Run("two tabs, the older one first", func(t *testing.T) {
		b := newBrowser(t)
		first, second := halfway(t, b, gate, "/first"), halfway(t, b, gate, "/second?x=1")
		open(t, b, first)
		if got := b.url.RequestURI(); got != "/first" {
			t.Errorf("first tab got to %s", got)
		}
		before := b.client.Jar.Cookies(b.url)
		open(t, b, second)
		if got := b.url.RequestURI(); got != "/second?x=1" {
			t.Errorf("second tab got to %s", got)
		}
		if statusWith(t, gate+"/_gate/session", before) != http.StatusUnauthorized {
			t.Error("the session of the first tab lives on beside the second's")
		}
	})
	t.Run("forty tabs leave few cookies and the newest works", func(t *testing.T) {
		b := newBrowser(t)
		var last string
		for range 40 {
			last = halfway(t, b, gate, "/newest")
		}
		u, err := url.Parse(gate)
		if err != nil {
			t.Fatal(err)
		}
		if cookies := b.client.Jar.Cookies(u); len(cookies) > 2 {
			t.Errorf("%d cookies: %v", len(cookies), cookies)
		}
		open(t, b, last)
		if b.url.Path != "/newest" {
			t.Errorf("the newest tab got to %s: %d", b.url, b.status)
		}
	})
	t.Run("twenty callbacks at once, one wins", func(t *testing.T) {
		b := newBrowser(t)
		callback := halfway(t, b, gate, "/once")
		u, err := url.Parse(callback)
		if err != nil {
			t.Fatal(err)
		}
		cookies := b.client.Jar.Cookies(u)
		var wg sync.WaitGroup
		statuses := make([]int, 20)
		for i := range statuses {
			wg.Go(func() { statuses[i] = statusWith(t, callback, cookies) })
		}
		wg.Wait()
		won := 0
		for _, s := range statuses {
			if s == http.StatusSeeOther {
				won++
			} else if s != http.StatusGone {
				t.Errorf("a loser got %d, want %d", s, http.StatusGone)
			}
		}
		if won != 1 {
			t.Errorf("%d callbacks won, want 1", won)
		}
	})
	t.Run("a misbehaving provider signs nobody in", func(t *testing.T) {
		for _, c := range fakeidp.BadIDTokens() {
			t.Run(c.Name, func(t *testing.T) {
				idp.SetFaults(c.Faults)
				defer idp.SetFaults(fakeidp.Faults{})
				b := newBrowser(t)
				open(t, b, halfway(t, b, gate, "/a"))
				if b.status < 400 || b.status > 599 || len(b.hops) != 1 {
					t.Errorf("callback answered %d after %v, want a page that says no", b.status, b.hops)
				}
				open(t, b, gate+"/_gate/session")
				if b.status != http.StatusUnauthorized {
					t.Errorf("signed in all the same: %s", b.body)
				}
			})
		}
	})
}
