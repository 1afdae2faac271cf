package gateway_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crmgate/internal/middleware"
)

// secure starts an https upstream, HTTP/2 if wanted, and returns its address and a file with the certificate to trust.
func secure(t *testing.T, http2 bool, h http.HandlerFunc) (address, ca string, srv *httptest.Server) {
	t.Helper()
	srv = httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = http2
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	t.Cleanup(srv.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return srv.URL, ca, srv
}

func TestHTTPSUpstream(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		address, ca, _ := secure(t, http2, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%d %s %s %s %s", r.ProtoMajor, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-User"), body)
			w.Header().Set("X-Sum", "42")
		})
		major := map[bool]string{false: "1", true: "2"}[http2]
		for _, tc := range []struct {
			name       string
			change     func(*setup)
			status     int
			serverName string
		}{
			{"trusted", func(s *setup) { s.upstreams[0].TLS.CAFile = ca }, 200, ""},
			{"name of the certificate", func(s *setup) { s.upstreams[0].TLS.CAFile = ca; s.upstreams[0].TLS.ServerName = "example.com" }, 200, ""},
			{"another name", func(s *setup) { s.upstreams[0].TLS.CAFile = ca; s.upstreams[0].TLS.ServerName = "evil.test" }, 502, ""},
			{"not trusted", nil, 502, ""},
		} {
			t.Run("HTTP/"+major+" "+tc.name, func(t *testing.T) {
				g := guard(t, address, tc.change)
				r := g.request("POST", "/x", strings.NewReader("body"))
				r.URL.Opaque = "/a//b;c/%7e?q;r=%2e" // sent as it is
				r.Host = "crm.example.com"
				res := g.do(r)
				body, _ := io.ReadAll(res.Body)
				if res.StatusCode != tc.status {
					t.Fatalf("status %d: %s", res.StatusCode, body)
				}
				if want := major + " /a/b;c/%7e?q;r=%2e crm.example.com account-1 body"; tc.status == 200 && (string(body) != want || res.Trailer.Get("X-Sum") != "42") {
					t.Errorf("got %q with trailers %v, want %q", body, res.Trailer, want)
				}
			})
		}
	}
}

func TestHTTPSUpstreamThatAsksForACertificate(t *testing.T) {
	address, ca, srv := secure(t, false, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, len(r.TLS.PeerCertificates)) })
	srv.TLS.ClientAuth = tls.RequireAnyClientCert
	key, err := x509.MarshalPKCS8PrivateKey(srv.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		t.Fatal(err)
	}
	with := guard(t, address, func(s *setup) {
		s.upstreams[0].TLS.CAFile, s.upstreams[0].TLS.CertFile, s.upstreams[0].TLS.KeyFile = ca, ca, keyFile
	})
	if res := with.get("GET /", asAnn); res.StatusCode != 200 || res.body != "1" {
		t.Errorf("status %d: %s", res.StatusCode, res.body)
	}
	without := guard(t, address, func(s *setup) { s.upstreams[0].TLS.CAFile = ca })
	if res := without.get("GET /", asAnn); res.StatusCode != 502 {
		t.Errorf("without a certificate: status %d", res.StatusCode)
	}
}

func TestHTTP2InFront(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	front := httptest.NewUnstartedServer(middleware.Origin(nil, g.handler))
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	for _, tc := range []struct {
		name, target string
		status       int
		line         string
	}{
		{"plain", "/contacts?a;b", 200, "GET /contacts?a;b HTTP/1.1"},
		{"repeated slashes", "//contacts//7", 200, "GET /contacts/7 HTTP/1.1"},
		{"dot segments", "/public/../admin", 400, ""},
		{"encoded slash", "/public%2fadmin", 400, ""},
		{"a rule", "/admin", 403, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, _ := http.NewRequest("GET", front.URL, nil)
			r.URL.Opaque = tc.target
			if strings.HasPrefix(tc.target, "//") { // Opaque would become an absolute form
				r.URL.Opaque, r.URL.Path = "", tc.target
			}
			r.Header = http.Header{"Cookie": {"a=1; crmgate_session=ann", "b=2"}, "X-Forwarded-User": {"evil"}, "x_forwarded_user": {"evil"}, "X.forwarded.user": {"evil"}, "X-Forwarded-For": {"evil"}}
			res, err := front.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.ProtoMajor != 2 || res.StatusCode != tc.status {
				t.Fatalf("%s, status %d", res.Proto, res.StatusCode)
			}
			if tc.status != 200 {
				if n := len(up.take(t)); n > 0 {
					t.Error("the upstream was asked")
				}
				return
			}
			got := up.one(t)
			if got.line != tc.line || strings.Contains(got.raw, "evil") || got.header["X-Forwarded-Proto"][0] != "https" || got.header["Cookie"][0] != "a=1; b=2" {
				t.Errorf("%s", got.raw)
			}
		})
	}
}

// TestStreamsOverHTTP2 sends much and waits for little over one connection that speaks HTTP/2: neither is held back for the other, nor kept
// in memory.
func TestStreamsOverHTTP2(t *testing.T) {
	const size = 256 << 20
	release := make(chan struct{})
	up := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/upload":
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, err)
		case "/download":
			io.Copy(w, zeros(size))
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				<-release
			}
		}
	}))
	g := guard(t, "http://"+up, nil)
	front := httptest.NewUnstartedServer(middleware.Bodies(time.Second, time.Minute, middleware.Origin(nil, g.handler)))
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	ask := func(method, path string, body io.Reader) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, front.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", "crmgate_session=ann")
		res, err := front.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if res.ProtoMajor != 2 || res.StatusCode != 200 {
			t.Fatalf("%s: %s, status %d", path, res.Proto, res.StatusCode)
		}
		return res
	}
	events := bufio.NewReader(ask("GET", "/events", nil).Body)
	event := func(want string) {
		t.Helper()
		if got, err := events.ReadString('\n'); err != nil || got != want {
			t.Errorf("event %q, %v; want %q", got, err, want)
		}
		if _, err := events.ReadString('\n'); err != nil {
			t.Error(err)
		}
	}
	event("data: 0\n")
	most := heapWhile(t, func() {
		body, err := io.ReadAll(ask("POST", "/upload", io.LimitReader(zeros(size), size)).Body)
		if err != nil || string(body) != fmt.Sprint(int64(size), " <nil>") {
			t.Errorf("upload: %s, %v", body, err)
		}
		release <- struct{}{}
		event("data: 1\n")
		if n, err := io.Copy(io.Discard, ask("GET", "/download", nil).Body); n != size || err != nil {
			t.Errorf("download: %d bytes, %v", n, err)
		}
	})
	// The client and the CRM are in this process as well.
	if most > 32<<20 {
		t.Errorf("the heap grew by %d MB", most>>20)
	}
	release <- struct{}{}
	event("data: 2\n")
	close(release)
}

// TestTrailersOfHTTP2 is TestTrailers for a client that speaks HTTP/2.
func TestTrailersOfHTTP2(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	front := httptest.NewUnstartedServer(middleware.Origin(nil, g.handler))
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	r, _ := http.NewRequest("POST", front.URL+"/x", io.MultiReader(strings.NewReader("hello"))) // of a length that nobody knows
	r.Header = http.Header{"Cookie": {"crmgate_session=ann"}, "Te": {"trailers"}}
	r.Trailer = http.Header{"X-Sum": {"42"}, "X-Forwarded-User": {"evil"}, "X_forwarded_user": {"evil"}, "X.forwarded.groups": {"evil"}, "X-Crmgate-Assertion": {"evil"}, "Cookie": {"evil"}}
	res, err := front.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.ProtoMajor != 2 || res.StatusCode != 200 {
		t.Fatalf("%s, status %d", res.Proto, res.StatusCode)
	}
	if got := up.one(t); strings.Contains(got.raw, "evil") || !strings.HasSuffix(got.raw, "\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n") {
		t.Errorf("%s", got.raw)
	}
}
