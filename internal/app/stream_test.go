package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crmgate/internal/fakeidp"
	"crmgate/internal/realtest"
)

// TestStreamsEndWithTheSession leaves an event stream and a WebSocket open and signs out: both end soon after, and until then both
// carry data.
func TestStreamsEndWithTheSession(t *testing.T) {
	crm := streamingCRM(t)
	l, gate := listen(t)
	idp := company(t, gate, func(c *fakeidp.Config) { c.Issuer = "/contoso" })
	idp.SignInAs("ann@contoso.test")
	a := start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
providers: [{id: contoso, type: oidc, name: Contoso, issuer: %q, client_id: crm, client_secret: s}]
`, gate, t.TempDir(), crm.URL, idp.Issuer()))
	b := newBrowser(t)
	if err := b.open(gate + "/_gate/sign-in/contoso"); err != nil {
		t.Fatal(err)
	}
	ends := openStreams(t, l.Addr().String(), b)
	mustLast(t, ends)
	if err := a.Sessions.EndAccount(t.Context(), accountOf(t, b, gate), ""); err != nil {
		t.Fatal(err)
	}
	mustEnd(t, ends)
}

// TestStreamsEndOnEveryReplica opens the same at two gateways that share a session, and an administrator ends it with a command.
func TestStreamsEndOnEveryReplica(t *testing.T) {
	binary := buildBinary(t)
	redisAddr, redisPassword := realtest.Redis(t)
	dsn := realtest.Postgres(t)
	for name, stores := range map[string]string{
		"PostgreSQL": fmt.Sprintf("storage: {driver: postgres, dsn: %q}", dsn),
		"Redis":      fmt.Sprintf("storage: {driver: postgres, dsn: %q}\nsession: {store: redis}\nredis: {addresses: [%q], password: %q}", dsn, redisAddr, redisPassword),
	} {
		t.Run(name, func(t *testing.T) {
			crm := streamingCRM(t)
			la, gate := listen(t)
			lb, _ := listen(t)
			idp := company(t, gate, func(c *fakeidp.Config) { c.Issuer = "/contoso" })
			idp.SignInAs("ann@contoso.test")
			yaml := func(listen string) string {
				return fmt.Sprintf(`
server: {public_url: %q, listen: %q, ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
providers: [{id: contoso, type: oidc, name: Contoso, issuer: %q, client_id: crm, client_secret: s}]
%s
`, gate, listen, t.TempDir(), crm.URL, idp.Issuer(), stores)
			}
			start(t, la, yaml("127.0.0.1:0"))
			startProcess(t, lb, yaml(lb.Addr().String()))
			config := filepath.Join(t.TempDir(), "crmgate.yaml")
			if err := os.WriteFile(config, []byte(yaml("127.0.0.1:0")), 0o600); err != nil {
				t.Fatal(err)
			}
			b := newBrowser(t)
			if err := b.open(gate + "/_gate/sign-in/contoso"); err != nil {
				t.Fatal(err)
			}
			here, there := openStreams(t, la.Addr().String(), b), openStreams(t, lb.Addr().String(), b)
			mustLast(t, here)
			mustLast(t, there)
			var id string
			for _, c := range b.client.Jar.Cookies(b.url) {
				if c.Name == "crmgate_session" {
					id, _, _ = strings.Cut(c.Value, ".")
				}
			}
			if out, err := exec.Command(binary, "session", "revoke", "-c", config, "--id", id).CombinedOutput(); err != nil {
				t.Fatalf("session revoke --id %s: %v\n%s", id, err, out)
			}
			mustEnd(t, here)
			mustEnd(t, there)
		})
	}
}

// streamingCRM answers with what lasts.
func streamingCRM(t *testing.T) *httptest.Server {
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			echo(t, w)
			return
		}
		switch r.URL.Path {
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
		case "/download":
			w.Header().Set("Content-Length", "1000000")
		case "/silent":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		default:
			return
		}
		for r.Context().Err() == nil {
			fmt.Fprint(w, "data: tick\n\n")
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}))
	t.Cleanup(crm.Close)
	return crm
}

// openStreams opens one of each kind in the name of a browser and returns where they tell of their end.
func openStreams(t *testing.T, address string, b *browser) <-chan string {
	t.Helper()
	cookie := ""
	for _, c := range b.client.Jar.Cookies(b.url) {
		cookie += c.Name + "=" + c.Value + "; "
	}
	ends := make(chan string, 4)
	for name, head := range map[string]string{
		"event stream": "GET /events HTTP/1.1\r\nAccept: text/event-stream\r\n",
		"download":     "GET /download HTTP/1.1\r\n",
		"silence":      "GET /silent HTTP/1.1\r\n",
		"WebSocket":    "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		fmt.Fprintf(conn, "%sHost: %s\r\nCookie: %s\r\n\r\n", head, address, strings.TrimSuffix(cookie, "; "))
		in := bufio.NewReader(conn)
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") && !strings.Contains(line, " 101 ") {
			t.Fatalf("%s: %q, %v", name, line, err)
		}
		go func() {
			_, _ = io.Copy(io.Discard, in) // ends with the connection, however that ends
			ends <- name
		}()
	}
	return ends
}

// mustLast demands that streams stay open for a while.
func mustLast(t *testing.T, ends <-chan string) {
	t.Helper()
	select {
	case name := <-ends:
		t.Fatalf("the %s ended while the session lived", name)
	case <-time.After(time.Second):
	}
}

// mustEnd demands that all of them end soon.
func mustEnd(t *testing.T, ends <-chan string) {
	t.Helper()
	deadline := time.After(20 * time.Second) // twice what is promised, for machines that are busy
	for range 4 {
		select {
		case <-ends:
		case <-deadline:
			t.Fatal("twenty seconds after the session ended something is still open")
		}
	}
}

func accountOf(t *testing.T, b *browser, gate string) string {
	t.Helper()
	if err := b.open(gate + "/_gate/session"); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(b.body, `"id":"`)
	id, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no account in %s", b.body)
	}
	return id
}

// echo accepts an upgrade and sends a byte now and then, as a chat that is open does.
func echo(t *testing.T, w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for {
		if _, err := conn.Write([]byte{0}); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
