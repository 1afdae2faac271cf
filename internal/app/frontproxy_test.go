package app_test

import (
	"bufio"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/app"
	"crmgate/internal/fakeidp"
	"crmgate/internal/realtest"
)

// front is an example of a proxy in front that keeps the CRM's traffic and asks crmgate about it, running.
type front struct {
	t *testing.T
	// gate is the address people use; addr is the socket behind it.
	gate, addr string
	trust      *tls.Config
	crm        *frontCRM
	idp        *fakeidp.Running
	app        *app.App
	// cookie is what Ann's browser sends once she has signed in.
	cookie string
}

const frontSecret = "correct horse battery staple"

// openFront runs the example of a proxy with its very files, but for addresses, certificates and the secret.
func openFront(t *testing.T, name string) *front {
	t.Setenv("CRMGATE_FORWARD_SECRET", frontSecret)
	t.Setenv("CONTOSO_SECRET", "s")
	f := &front{t: t, addr: realtest.Addr(t), crm: newFrontCRM(t)}
	_, port, _ := net.SplitHostPort(f.addr)
	host := "localhost:" + port
	f.gate = "https://" + host
	idp, err := fakeidp.Listen(fakeidp.Config{
		Issuer: "/contoso", Algs: []string{"ES256"},
		Clients: []fakeidp.Client{{ID: "crm", Secret: "s", RedirectURIs: []string{f.gate + "/_gate/callback/contoso"}, PostLogoutRedirectURIs: []string{f.gate + "/_gate/signed-out"}}},
		Users:   []fakeidp.User{{Subject: "u-ann", Email: "ann@contoso.com", Password: "p", Name: "Änn Archer", Groups: []string{"sales"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	f.idp = idp
	idp.SignInAs("ann@contoso.com")
	l, own := listen(t)
	cert := realtest.NewCertificate(t)
	f.trust = trusting(t, cert)
	dir := t.TempDir()
	adapt := strings.NewReplacer(
		"/etc/ssl/crm.example.com/cert.pem", cert.CertFile, "/etc/ssl/crm.example.com/key.pem", cert.KeyFile,
		"/etc/ssl/crm.example.com/bundle.pem", bundle(t, dir, cert), "/etc/haproxy/crmgate.lua", filepath.Join(dir, "crmgate.lua"),
		"https://crm.example.com", f.gate, "https://id.example.com", idp.Issuer(),
		"127.0.0.1:8069", strings.TrimPrefix(f.crm.URL, "http://"), "127.0.0.1:8080", strings.TrimPrefix(own, "http://"),
		"/var/lib/crmgate", t.TempDir(), "server:\n", "server:\n  ops_listen: \"\"\n",
		"listen 443 ", "listen "+f.addr+" ", "server_name crm.example.com", "server_name localhost", `Secret "CRMGATE_FORWARD_SECRET"`, `Secret "`+frontSecret+`"`,
		"crm.example.com {", "https://"+host+" {\n\tbind 127.0.0.1", "bind :443", "bind "+f.addr,
	)
	file := func(of string) string {
		text, err := os.ReadFile(filepath.Join(realtest.Root(t), "examples", name, of))
		if err != nil {
			t.Fatal(err)
		}
		return adapt.Replace(string(text))
	}
	f.app = start(t, l, file("crmgate.yaml"))
	switch name {
	case "nginx":
		realtest.Nginx(t, f.addr, dir, file("nginx.conf"))
	case "caddy":
		realtest.Caddy(t, f.addr, dir, "{\n\tadmin off\n\tauto_https off\n}\n"+file("Caddyfile"))
	case "haproxy":
		if err := os.WriteFile(filepath.Join(dir, "crmgate.lua"), []byte(file("crmgate.lua")), 0o600); err != nil {
			t.Fatal(err)
		}
		realtest.HAProxy(t, f.addr, dir, file("haproxy.cfg"))
	}
	return f
}

func trusting(t *testing.T, c realtest.Certificate) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// bundle is certificate and key in one file, as HAProxy wants them.
func bundle(t *testing.T, dir string, c realtest.Certificate) string {
	t.Helper()
	path := filepath.Join(dir, "bundle.pem")
	var both []byte
	for _, name := range []string{c.CertFile, c.KeyFile} {
		part, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, part...)
	}
	if err := os.WriteFile(path, both, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// frontAnswer is a response with its body read.
type frontAnswer struct {
	*http.Response
	body string
}

// dial opens a connection of HTTP/1.1 and sends a head made of a request line and header lines, byte for byte.
func (f *front) dial(line string, headers ...string) (net.Conn, *bufio.Reader) {
	f.t.Helper()
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", f.addr, f.trust)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		f.t.Fatal(err)
	}
	head := line + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(f.gate, "https://") + "\r\n" + strings.Join(append(headers, "", ""), "\r\n")
	if _, err := io.WriteString(c, head); err != nil {
		f.t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// ask sends a request and reads the answer; a header that is empty is left out.
func (f *front) ask(line, body string, headers ...string) frontAnswer {
	f.t.Helper()
	kept := []string{"Connection: close"}
	for _, h := range headers {
		if h != "" {
			kept = append(kept, h)
		}
	}
	if body != "" {
		kept = append(kept, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	c, in := f.dial(line, kept...)
	go func() { _, _ = io.WriteString(c, body) }() // a refusal may come before all of it is taken
	method, _, _ := strings.Cut(line, " ")
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		f.t.Fatalf("%q: %v", line, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatalf("%q: %v", line, err)
	}
	return frontAnswer{res, string(text)}
}

// frontCRM is the CRM behind the proxy: it keeps what it was asked, and echoes over a WebSocket.
type frontCRM struct {
	*httptest.Server
	mu   sync.Mutex
	seen []crmRequest
}

// crmRequest is what the CRM got; sum is that of the body.
type crmRequest struct {
	method, uri, host, sum string
	header                 http.Header
}

func newFrontCRM(t *testing.T) *frontCRM {
	c := &frontCRM{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body); err != nil {
			t.Errorf("the CRM reads %s: %v", r.RequestURI, err)
		}
		c.mu.Lock()
		c.seen = append(c.seen, crmRequest{r.Method, r.RequestURI, r.Host, fmt.Sprintf("%x", sum.Sum(nil)), r.Header.Clone()})
		c.mu.Unlock()
		if r.Header.Get("Upgrade") != "" {
			echoSocket(t, w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "CRM %s for %s", r.RequestURI, r.Header.Get("X-Forwarded-Email"))
	}))
	t.Cleanup(c.Close)
	return c
}

// take returns what came since the last take.
func (c *frontCRM) take() []crmRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

// one returns the only request since the last take.
func (c *frontCRM) one(t *testing.T) crmRequest {
	t.Helper()
	seen := c.take()
	if len(seen) != 1 {
		t.Fatalf("the CRM got %d requests, want one: %v", len(seen), seen)
	}
	return seen[0]
}

// echoSocket accepts a WebSocket and sends back what comes; the proxies do not look into frames.
func echoSocket(t *testing.T, w http.ResponseWriter, r *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	accept := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(accept[:]))
	_, _ = io.Copy(conn, rw) // ends when the client goes
}
