package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/fakeidp"
	"crmgate/internal/realtest"
)

// pair is two gateways that share PostgreSQL and Redis, and a provider that revokes everything when a refresh token comes twice.
type pair struct {
	t     *testing.T
	gates [2]string
	idp   *fakeidp.Running
}

func startPair(t *testing.T) *pair {
	dsn := realtest.Postgres(t)
	addr, password := realtest.Redis(t)
	crm := recordingCRM(t)
	la, a := listen(t)
	lb, b := listen(t)
	idp := company(t, a, func(c *fakeidp.Config) {
		c.AlwaysRefresh = true
		c.Users = []fakeidp.User{{Subject: "u-ann", Email: "ann@contoso.test", Password: "p", Name: "Ann", Groups: []string{"sales"}}}
	})
	idp.SignInAs("ann@contoso.test")
	// Both say that they are the one whose address browsers know.
	yaml := fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %%q}
upstreams: [{id: crm, urls: [%q]}]
access: {rules: [{name: support, paths: [/support/**], allow: {groups: [support]}}]}
providers: [{id: contoso, type: oidc, name: Contoso, domains: [contoso.test], issuer: %q, client_id: crm, client_secret: s, claims: {groups: groups}, revalidate: 1s}]
storage: {driver: postgres, dsn: %q}
session: {store: redis}
redis: {addresses: [%q], password: %q}
`, a, crm.URL, idp.Issuer(), dsn, addr, password)
	start(t, la, fmt.Sprintf(yaml, t.TempDir()))
	start(t, lb, fmt.Sprintf(yaml, t.TempDir()))
	return &pair{t, [2]string{a, b}, idp}
}

// signIn returns the cookies of a browser that Ann is signed in with.
func (p *pair) signIn() []*http.Cookie {
	p.t.Helper()
	b := newBrowser(p.t)
	if err := b.open(p.gates[0] + "/_gate/sign-in/contoso"); err != nil {
		p.t.Fatal(err)
	}
	u, _ := url.Parse(p.gates[0])
	return b.client.Jar.(*cookiejar.Jar).Cookies(u)
}

func (p *pair) status(replica int, cookies []*http.Cookie) int {
	p.t.Helper()
	return statusWith(p.t, p.gates[replica]+"/support/1", cookies)
}

// eventually waits until both replicas answer with a status: much longer than it should take, for machines that are busy.
func (p *pair) eventually(what string, want int, cookies []*http.Cookie) {
	p.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for replica := range p.gates {
		for got := p.status(replica, cookies); got != want; got = p.status(replica, cookies) {
			if time.Now().After(deadline) {
				p.t.Fatalf("%s: after a minute replica %d answers %d, want %d", what, replica, got, want)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func (p *pair) refreshes() (n int, errs string) {
	for _, r := range p.idp.TokenRequests() {
		if r.GrantType == "refresh_token" {
			n++
			errs += r.Error
		}
	}
	return n, errs
}

func TestRevalidateOnTwoReplicas(t *testing.T) {
	p := startPair(t)
	ann := p.signIn()
	if got := p.status(0, ann); got != http.StatusForbidden {
		t.Fatalf("signed in: %d", got)
	}
	if err := p.idp.UpdateUser("ann@contoso.test", func(u *fakeidp.User) { u.Groups = []string{"sales", "support"} }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	p.idp.SetFaults(fakeidp.Faults{Token: fakeidp.Trouble{Delay: 300 * time.Millisecond}})
	began := time.Now()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { p.status(i%2, ann) })
	}
	wg.Wait()
	time.Sleep(500 * time.Millisecond)
	// The next one is due a second after it: on a busy machine that is before the last request.
	if n, errs := p.refreshes(); n < 1 || n > 1+int(time.Since(began)/time.Second) || errs != "" {
		t.Errorf("twenty requests at once made %d refreshes (%s) in %s, want one", n, errs, time.Since(began))
	}
	p.idp.SetFaults(fakeidp.Faults{})
	p.eventually("a new group", http.StatusOK, ann)

	// In steady use, with every answer giving a new token.
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for replica := range p.gates {
			if got := p.status(replica, ann); got != http.StatusOK {
				t.Fatalf("replica %d answers %d", replica, got)
			}
		}
	}
	if n, errs := p.refreshes(); n < 2 || n > 2+int(time.Since(began)/time.Second) || errs != "" {
		t.Errorf("%d refreshes in %s (%s)", n, time.Since(began), errs)
	}
	if err := p.idp.Revoke("ann@contoso.test"); err != nil {
		t.Fatal(err)
	}
	p.eventually("revoked at the provider", http.StatusUnauthorized, ann)
}

func TestProviderLogoutOnTwoReplicas(t *testing.T) {
	p := startPair(t)
	if err := p.idp.UpdateUser("ann@contoso.test", func(u *fakeidp.User) { u.Groups = []string{"support"} }); err != nil {
		t.Fatal(err)
	}
	one, two := p.signIn(), p.signIn()
	sids := p.idp.SessionIDs("ann@contoso.test")
	if len(sids) != 2 {
		t.Fatalf("Ann has the sessions %v at the provider", sids)
	}
	for _, ann := range [][]*http.Cookie{one, two} {
		p.eventually("signed in", http.StatusOK, ann)
	}
	send := func(replica int, subject, sid string) (token string) {
		t.Helper()
		token, err := p.idp.LogoutToken("crm", subject, sid, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.send(replica, token, 200)
		return token
	}
	token := send(1, "u-ann", sids[0])
	p.send(0, token, 400) // the other replica has not seen it
	p.send(1, token, 400)
	time.Sleep(2 * time.Second)
	if a, b := p.status(0, one), p.status(0, two); a+b != 401+200 {
		t.Errorf("after the end of one session the two answer %d and %d", a, b)
	}
	if a, b := p.status(1, one), p.status(1, two); a+b != 401+200 {
		t.Errorf("after the end of one session the two answer %d and %d at the other replica", a, b)
	}
	send(0, "u-ann", "")
	for _, ann := range [][]*http.Cookie{one, two} {
		p.eventually("signed out everywhere", http.StatusUnauthorized, ann)
	}
	// Fifty bad ones from one address are each told so.
	for range 50 {
		p.send(0, strings.Repeat("x", 40), 400)
	}
	p.eventually("signed in again", http.StatusOK, p.signIn())
}

func (p *pair) send(replica int, token string, want int) {
	p.t.Helper()
	got, err := fakeidp.SendLogout(context.Background(), p.gates[replica]+"/_gate/logout/backchannel/contoso", token)
	if err != nil || got != want {
		p.t.Errorf("the logout token is answered with %d, want %d (%v)", got, want, err)
	}
}
