package app_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crmgate/internal/app"
	"crmgate/internal/config"
	"crmgate/internal/realtest"
)

// run runs a gateway on the listeners of its own configuration until the test ends.
func run(t *testing.T, yaml string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crmgate.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, report := config.Load(path, os.LookupEnv)
	if !report.OK() {
		t.Fatalf("configuration: %v", report.Findings)
	}
	a, err := app.Open(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("gateway ended with %v", err)
		}
	})
}

// free returns an address where nobody listens.
func free(t *testing.T) string {
	t.Helper()
	return realtest.Addr(t) // no outgoing connection can take it before it is listened on
}

func writeCertificate(t *testing.T, dir string, key *ecdsa.PrivateKey, der []byte) (certFile, keyFile string) {
	t.Helper()
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: k}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// visitor is a browser that trusts root and believes that crm.example.com is at addr; before is sent ahead of TLS.
func visitor(root *x509.Certificate, addr, before string) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ForceAttemptHTTP2: true, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, addr)
				if err == nil {
					_, err = io.WriteString(c, before)
				}
				return c, err
			}},
	}
}

// answers asks until the answer is right.
func answers(t *testing.T, what string, ask func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = ask(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// TestCertificateFilesAreReloaded serves HTTP/2 with one certificate, half of another, and the other; behind a balancer that sends PROXY
// headers, with the listener for those who come without https beside it.
func TestCertificateFilesAreReloaded(t *testing.T) {
	dir, addr, plain, ops := t.TempDir(), free(t), free(t), free(t)
	rootKey, root, _ := makeCertificate(t, "test authority", nil, nil)
	key, first, der := makeCertificate(t, "crm.example.com", root, rootKey)
	certFile, keyFile := writeCertificate(t, dir, key, der)
	run(t, fmt.Sprintf(`
server:
  public_url: https://crm.example.com
  listen: %q
  http_listen: %q
  ops_listen: %q
  data_dir: %q
  trusted_proxies: [127.0.0.1]
  proxy_protocol: true
  hsts: {max_age: 365d, include_subdomains: true, preload: true}
  tls: {cert_file: %q, key_file: %q}
local: {reset: {enabled: false}}
upstreams: [{id: crm, urls: [%q, %q]}]
`, addr, plain, ops, dir, certFile, keyFile, recordingCRM(t).URL, recordingCRM(t).URL))
	header := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11"), binary.BigEndian.AppendUint16(nil, 12)...)
	header = append(header, 192, 0, 2, 7, 127, 0, 0, 1, 1, 1, 1, 1)
	browser := visitor(root, addr, string(header))
	serves := func(want *x509.Certificate) error {
		res, err := browser.Get("https://crm.example.com/x")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.ProtoMajor != 2 || res.StatusCode != 401 {
			return fmt.Errorf("%s, status %d", res.Proto, res.StatusCode)
		}
		if !res.TLS.PeerCertificates[0].Equal(want) {
			return fmt.Errorf("another certificate: %v", res.TLS.PeerCertificates[0].SerialNumber)
		}
		return nil
	}
	answers(t, "the first certificate", func() error { return serves(first) })
	second, secondCert, secondDER := makeCertificate(t, "crm.example.com", root, rootKey)
	// Half of a renewal must change nothing.
	if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secondDER}), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2500 * time.Millisecond)
	if err := serves(first); err != nil {
		t.Errorf("with half of a renewal: %v", err)
	}
	writeCertificate(t, dir, second, secondDER)
	answers(t, "the second certificate", func() error { return serves(secondCert) })

	res, err := browser.Get("https://crm.example.com/_gate/help")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := res.Header.Get("Strict-Transport-Security"); got != "max-age=31536000; includeSubDomains; preload" {
		t.Errorf("Strict-Transport-Security %q", got)
	}
	// Without the header there is no answer at all, also no handshake.
	if _, err := visitor(root, addr, "").Get("https://crm.example.com/x"); err == nil {
		t.Error("a connection without a PROXY header was served")
	}
	for request, want := range map[string]string{
		"GET /a%20b?c;d HTTP/1.1":             "308 https://crm.example.com/a%20b?c;d",
		"GET //evil.test/x HTTP/1.1":          "308 https://crm.example.com/",
		"GET http://evil.test/x HTTP/1.1":     "308 https://crm.example.com/x",
		"POST /x HTTP/1.1":                    "400 ",
		"GET /\\evil.test HTTP/1.1":           "308 https://crm.example.com/%5Cevil.test",
		"GET /x HTTP/1.1\r\nAuthorization: a": "400 ",
	} {
		c, err := net.Dial("tcp", plain)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "%s\r\nHost: evil.test\r\nConnection: close\r\n\r\n", request)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(res.StatusCode, " ", res.Header.Get("Location")); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
		c.Close()
	}
	res, err = http.Get("http://" + ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	metrics, _ := io.ReadAll(res.Body)
	for _, want := range []string{`crmgate_upstream_healthy{upstream="crm",url="http://`, "crmgate_upstream_in_flight{", "crmgate_upstream_requests_total{", "crmgate_upstream_failures_total{", `crmgate_upstream_retries_total{upstream="crm"} 0`} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("%s is missing", want)
		}
	}
}

// TestACME gets a certificate from an authority before anybody asks for a page.
func TestACME(t *testing.T) {
	addr, dir := free(t), t.TempDir()
	ca := newAuthority(t, addr)
	run(t, fmt.Sprintf(`
server:
  public_url: https://crm.example.com
  listen: %q
  ops_listen: ""
  data_dir: %q
  tls: {acme: {domains: [crm.example.com], email: admin@example.com, directory: "%s/dir"}}
local: {reset: {enabled: false}}
upstreams: [{id: crm, urls: [%q]}]
`, addr, dir, ca.url, recordingCRM(t).URL))
	browser := visitor(ca.root, addr, "")
	answers(t, "a page", func() error {
		res, err := browser.Get("https://crm.example.com/x")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != 401 || res.ProtoMajor != 2 {
			return fmt.Errorf("%s, status %d", res.Proto, res.StatusCode)
		}
		return nil
	})
	if ca.orders != 1 {
		t.Errorf("%d orders", ca.orders)
	}
	if c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, ServerName: "evil.test"}); err == nil {
		c.Close()
		t.Error("a certificate for somebody else")
	}
	if kept, err := os.ReadDir(filepath.Join(dir, "acme")); err != nil || len(kept) == 0 {
		t.Errorf("nothing is kept: %v, %v", kept, err)
	}
}
