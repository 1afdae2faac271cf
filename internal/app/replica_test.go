package app_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"crmgate/internal/app"
	"crmgate/internal/config"
	"crmgate/internal/realtest"
)

// start runs a gateway in this process on a listener until the test ends.
func start(t *testing.T, l net.Listener, yaml string) *app.App {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crmgate.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, report := config.Load(path, os.LookupEnv)
	if !report.OK() {
		t.Fatalf("configuration: %v", report.Findings)
	}
	a, err := app.Open(context.Background(), cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("gateway ended with %v", err)
		}
	})
	return a
}

// startProcess runs `crmgate serve` in a process of its own, on the address of a listener that it takes over, and demands that it
// ends well when it is told to.
func startProcess(t *testing.T, l net.Listener, yaml string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crmgate.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := buildBinary(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	cmd := exec.Command(binary, "serve", "-c", path)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop the gateway: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the gateway ended with %v\n%s", err, log.String())
		}
	})
	for range 1200 {
		if resp, err := http.Get("http://" + l.Addr().String() + "/_gate/help"); err == nil {
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the gateway did not start\n%s", log.String())
}

func listen(t *testing.T) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", realtest.Addr(t)) // may be closed and listened on again
	if err != nil {
		t.Fatal(err)
	}
	return l, "http://" + l.Addr().String()
}

func recordingCRM(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>CRM</title><p>CRM %s for %s.</p>", r.URL.RequestURI(), cmp.Or(r.Header.Get("X-Forwarded-Email"), "nobody"))
	}))
	t.Cleanup(s.Close)
	return s
}

// TestTwoReplicas runs two gateways, one in a process of its own, that share PostgreSQL and Redis behind a balancer that gives every request to the other
// one, and a certified OpenID Provider: a sign-in is begun on one and finished on the other, and a sign-out ends both.
func TestTwoReplicas(t *testing.T) {
	dsn := realtest.Postgres(t)
	redisAddr, redisPassword := realtest.Redis(t)
	crm := recordingCRM(t)
	la, a := listen(t)
	lb, b := listen(t)
	var turn atomic.Uint32
	balancer := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		to := a
		if turn.Add(1)%2 == 0 {
			to = b
		}
		u, err := url.Parse(to)
		if err != nil {
			t.Error(err)
			return
		}
		r.SetURL(u)
		r.Out.Host = r.In.Host
		r.Out.URL.RawQuery = r.In.URL.RawQuery // Rewrite drops what holds a semicolon
	}})
	t.Cleanup(balancer.Close)
	op := realtest.OIDCProvider(t, realtest.OIDCClient{
		ID: "crm", Secret: "crm-secret-0123456789abcdef0123456789", RedirectURIs: []string{balancer.URL + "/_gate/callback/contoso"},
		PostLogoutRedirectURIs: []string{balancer.URL + "/_gate/signed-out"},
	})
	yaml := func(listen string) string {
		return fmt.Sprintf(`
server: {public_url: %q, listen: %q, ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
providers:
  - {id: contoso, type: oidc, name: Contoso, domains: [example.test], issuer: %q, client_id: crm, client_secret: crm-secret-0123456789abcdef0123456789, claims: {groups: groups}}
storage: {driver: postgres, dsn: %q}
session: {store: redis}
redis: {addresses: [%q], password: %q}
`, balancer.URL, listen, t.TempDir(), crm.URL, op.Issuer, dsn, redisAddr, redisPassword)
	}
	start(t, la, yaml("127.0.0.1:0"))
	startProcess(t, lb, yaml(lb.Addr().String()))

	p := newBrowser(t)
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	must("deep link", p.open(balancer.URL+"/deals/7?a=1;b=%20"))
	must("identifier", p.submit(map[string]string{"identifier": "alice@example.test"}))
	must("the provider's page", p.submit(map[string]string{"username": "alice", "password": "alice-pw"}))
	if want := "CRM /deals/7?a=1;b=%20 for alice@"; p.status != http.StatusOK || !strings.Contains(p.body, want) {
		t.Fatalf("after signing in at %s: %d %s, want %q", p.url, p.status, p.body, want)
	}
	for _, replica := range []string{a, b, a, b} {
		must("session", p.open(replica+"/_gate/session"))
		if p.status != http.StatusOK || !strings.Contains(p.body, `"provider":"contoso"`) {
			t.Errorf("session at %s: %d %s", replica, p.status, p.body)
		}
	}
	must("keys of a", p.open(a+"/_gate/jwks.json"))
	keys := p.body
	must("keys of b", p.open(b+"/_gate/jwks.json"))
	if p.body != keys || !strings.Contains(keys, `"kty"`) {
		t.Errorf("replicas publish different keys:\n%s\n%s", keys, p.body)
	}

	must("sign-out page", p.open(balancer.URL+"/_gate/sign-out"))
	// The jar's cookies are the ones to replay: signing out must end the session itself, not only the cookie.
	stolen := p.client.Jar.Cookies(p.url)
	must("sign-out", p.submit(nil))
	if !strings.HasPrefix(p.hops[1], op.Issuer) {
		t.Errorf("signing out led through %v, want the provider's end_session_endpoint second", p.hops)
	}
	deadline := time.Now().Add(time.Minute)
	for _, replica := range []string{a, b} {
		for statusWith(t, replica+"/_gate/session", stolen) != http.StatusUnauthorized {
			if time.Now().After(deadline) {
				t.Fatalf("a minute after signing out %s still knows the session", replica)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func statusWith(t *testing.T, address string, cookies []*http.Cookie) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestDirectory signs people in against a real slapd: by StartTLS and LDAPS, by name and address, with the first server down.
func TestDirectory(t *testing.T) {
	dir := realtest.Slapd(t)
	crm := recordingCRM(t)
	l, gate := listen(t)
	start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
providers:
  - id: directory
    type: ldap
    name: Corporate directory
    domains: [example.test]
    urls: ["ldaps://127.0.0.1:1", %q]
    ca_file: %q
    bind_dn: %q
    bind_password: %q
    user_base: %q
    user_filter: "(&(objectClass=inetOrgPerson)(|(uid={login})(mail={login})))"
    groups: {base: %q, filter: "(member={dn})", name: cn}
    password: {reset_url: "https://password.example.test/"}
`, gate, t.TempDir(), crm.URL, dir.TLSURL, dir.CAFile, dir.BindDN, dir.BindPassword, dir.PeopleBase, dir.GroupBase))
	signIn := func(t *testing.T, login, password string) *browser {
		t.Helper()
		p := newBrowser(t)
		for what, err := range map[string]error{"open": p.open(gate + "/deals"), "identifier": nil} {
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if err := p.submit(map[string]string{"identifier": login}); err != nil {
			t.Fatal(err)
		}
		if err := p.submit(map[string]string{"identifier": login, "password": password}); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, tt := range []struct {
		name, login, password string
		status                int
	}{
		{"by address", "alice@example.test", dir.Password("alice"), http.StatusOK},
		{"by name", "alice", dir.Password("alice"), http.StatusOK},
		{"wrong password", "alice@example.test", "wrong", http.StatusUnauthorized},
		{"nobody", "nobody@example.test", "wrong", http.StatusUnauthorized},
		{"filter in the name", "alice)(uid=*", dir.Password("alice"), http.StatusUnauthorized},
		{"star", "*", dir.Password("alice"), http.StatusUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := signIn(t, tt.login, tt.password)
			if p.status != tt.status {
				t.Errorf("status %d, want %d: %s", p.status, tt.status, p.parse().text)
			}
			if signedIn := strings.Contains(p.body, "CRM /deals for alice@example.test"); signedIn != (tt.status == http.StatusOK) {
				t.Errorf("reached the CRM: %v: %s", signedIn, p.body)
			}
		})
	}
	t.Run("down", func(t *testing.T) {
		dir.Stop(t)
		p := signIn(t, "alice@example.test", dir.Password("alice"))
		if p.status != http.StatusServiceUnavailable || !strings.Contains(p.parse().text, "Corporate directory") {
			t.Errorf("with the directory down: %d %s", p.status, p.parse().text)
		}
		dir.Restart(t)
	})
}
