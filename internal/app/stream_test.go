package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crmgate/internal/fakeidp"
)

// TestStreamsEndWithTheSession leaves an event stream and a WebSocket open and signs out: both end soon after, and until then both
// carry data.
func TestStreamsEndWithTheSession(t *testing.T) {
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
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		fmt.Fprintf(conn, "%sHost: %s\r\nCookie: %s\r\n\r\n", head, l.Addr(), strings.TrimSuffix(cookie, "; "))
		in := bufio.NewReader(conn)
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") && !strings.Contains(line, " 101 ") {
			t.Fatalf("%s: %q, %v", name, line, err)
		}
		go func() {
			_, _ = io.Copy(io.Discard, in) // ends with the connection, however that ends
			ends <- name
		}()
	}
	select {
	case name := <-ends:
		t.Fatalf("the %s ended while the session lived", name)
	case <-time.After(time.Second):
	}
	if err := a.Sessions.EndAccount(t.Context(), accountOf(t, b, gate), ""); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(time.Minute) // six times what is promised, for machines that are busy
	for range 4 {
		select {
		case <-ends:
		case <-deadline:
			t.Fatal("a minute after the session ended something is still open")
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
