package app_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"crmgate/internal/app"
	"crmgate/internal/config"
)

// TestShutDown tells a gateway to end while somebody waits for a page and somebody else follows a stream: nobody new is let in, the page
// arrives whole, and the stream, which would never end, keeps the process no longer than server.shutdown_grace.
func TestShutDown(t *testing.T) {
	asked, release := make(chan string, 2), make(chan struct{})
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		if r.URL.Path == "/stream" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		<-release
		fmt.Fprint(w, "a whole page")
	}))
	t.Cleanup(crm.Close)
	path := filepath.Join(t.TempDir(), "crmgate.yaml")
	yaml := fmt.Sprintf(`
server: {public_url: "http://crm.localhost", listen: "127.0.0.1:0", ops_listen: "", data_dir: %q, shutdown_grace: 5s}
local: {reset: {enabled: false}}
access: {rules: [{name: all, paths: [/**], allow: anyone}]}
upstreams: [{id: crm, urls: [%q]}]
`, t.TempDir(), crm.URL)
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, report := config.Load(path, os.LookupEnv)
	if !report.OK() {
		t.Fatalf("configuration: %v", report.Findings)
	}
	a, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, _ := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l) }()

	ask := func(path string) *bufio.Reader {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: crm.localhost\r\n\r\n", path)
		if got := <-asked; got != path {
			t.Fatalf("the CRM was asked for %s", got)
		}
		return bufio.NewReader(conn)
	}
	page, stream := ask("/page"), ask("/stream")
	if res, err := http.ReadResponse(stream, nil); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("stream: %v, %v", res, err)
	}
	stop()
	answers(t, "the door closes", func() error {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return nil
		}
		return fmt.Errorf("connected, %v", conn.Close())
	})
	close(release)
	res, err := http.ReadResponse(page, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "a whole page" {
		t.Errorf("%q, %v", body, err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	case <-time.After(30 * time.Second): // far more than the grace, for machines that are busy
		t.Error("the stream keeps the gateway from ending")
	}
}
