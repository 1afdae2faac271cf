package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestBounds sends to the listener itself what no client needs: it is refused with an answer, and the connection is closed where its
// state is in doubt. The CRM hears nothing of it.
func TestBounds(t *testing.T) {
	var asked atomic.Int32
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1) }))
	t.Cleanup(crm.Close)
	addr := free(t)
	run(t, fmt.Sprintf(`
server: {public_url: "http://%s", listen: %q, ops_listen: "", data_dir: %q}
local: {reset: {enabled: false}}
access: {rules: [{name: all, paths: [/**], allow: anyone}]}
upstreams: [{id: crm, urls: [%q]}]
`, addr, addr, t.TempDir(), crm.URL))
	answers(t, "an answer", func() error {
		res, err := http.Get("http://" + addr + "/up")
		if err == nil {
			err = res.Body.Close()
		}
		return err
	})
	host := "Host: " + addr + "\r\n"
	for _, tc := range []struct {
		name, send string
		status     int
		closed     bool
	}{
		{"good", "GET /x HTTP/1.1\r\n" + host + "\r\n", 200, false},
		{"a head of 100 kB", "GET /x HTTP/1.1\r\n" + host + "X-Big: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", 431, true},
		{"a target of 100 kB", "GET /" + strings.Repeat("x", 100<<10) + " HTTP/1.1\r\n" + host + "\r\n", 431, true},
		{"ten thousand fields", "GET /x HTTP/1.1\r\n" + host + strings.Repeat("X: yyyyyyyy\r\n", 10_000) + "\r\n", 431, true},
		{"CONNECT", "CONNECT evil.test:443 HTTP/1.1\r\n" + host + "\r\n", 400, false},
		{"TRACE", "TRACE /x HTTP/1.1\r\n" + host + "\r\n", 400, false},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 400, false},
		{"no host", "GET /x HTTP/1.1\r\n\r\n", 400, true},
		{"a bare LF", "GET /x HTTP/1.1\n" + host + "\r\n", 400, true},
		{"a folded line", "GET /x HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", 400, true},
		{"a length and chunks", "POST /x HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, true},
		{"two lengths", "POST /x HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, true},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, true},
		{"a version that is none", "GET /x HTTP/9.9\r\n" + host + "\r\n", 505, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := asked.Load()
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			go io.WriteString(c, tc.send) // a server may hang up before all of it is sent
			in := bufio.NewReader(c)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			if res.StatusCode != tc.status {
				t.Errorf("status %d, want %d", res.StatusCode, tc.status)
			}
			if !tc.closed { // for the others the end is waited for, however long it takes
				c.SetDeadline(time.Now().Add(200 * time.Millisecond))
			}
			if _, err := in.ReadByte(); (err == io.EOF || err != nil && strings.Contains(err.Error(), "reset")) != tc.closed {
				t.Errorf("closed should be %t: %v", tc.closed, err)
			}
			if got := asked.Load() - before; (got == 1) != (tc.status == 200) {
				t.Errorf("the CRM got %d requests", got)
			}
		})
	}
}
