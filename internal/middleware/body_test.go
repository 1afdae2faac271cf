package middleware

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestBodiesThatDoNotCome announces a body and sends none: the answer comes at once, and the connection ends soon. One that comes leaves the
// connection as it was.
func TestBodiesThatDoNotCome(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panics":
			panic(http.ErrAbortHandler)
		case "/reads":
			body, _ := io.ReadAll(r.Body)
			w.Write(body)
		case "/large":
			w.WriteHeader(403)
			io.WriteString(w, strings.Repeat("x", 100_000))
		default:
			w.WriteHeader(403)
		}
	})
	serve := func(patience time.Duration) string {
		srv := httptest.NewUnstartedServer(Bodies(patience, handler))
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.Start()
		t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
		return srv.Listener.Addr().String()
	}
	// At the one no answer may wait for the patience to end, at the other it is over at once.
	patient, impatient := serve(time.Hour), serve(10*time.Millisecond)
	for _, tc := range []struct {
		name, path, framing, body string
		status                    int
		ends                      bool
	}{
		{"a small answer", "/small", "Content-Length: 5000\r\n", "a", 403, true},
		{"a large answer", "/large", "Content-Length: 5000\r\n", "a", 403, true},
		{"chunks", "/large", "Transfer-Encoding: chunked\r\n", "5\r\nhel", 403, true},
		{"given up", "/panics", "Content-Length: 5000\r\n", "", 0, true},
		{"a body that comes and is not read", "/large", "Content-Length: 5\r\n", "hello", 403, true},
		{"a body that is read", "/reads", "Content-Length: 5\r\n", "hello", 200, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ask := func(addr string) (net.Conn, *bufio.Reader) {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				c.SetDeadline(time.Now().Add(time.Minute))
				io.WriteString(c, "POST "+tc.path+" HTTP/1.1\r\nHost: a\r\n"+tc.framing+"\r\n"+tc.body)
				in := bufio.NewReader(c)
				if tc.status != 0 {
					res, err := http.ReadResponse(in, nil)
					if err != nil || res.StatusCode != tc.status {
						t.Fatal(res, err)
					}
					if _, err := io.Copy(io.Discard, res.Body); err != nil {
						t.Error(err)
					}
				}
				return c, in
			}
			if tc.status != 0 {
				ask(patient)
			}
			c, in := ask(impatient)
			if !tc.ends {
				time.Sleep(100 * time.Millisecond) // the patience is over, and nothing was missing
				io.WriteString(c, "GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
				if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != 403 {
					t.Errorf("the next request: %v, %v", res, err)
				}
				return
			}
			if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
				t.Errorf("the connection goes on: %q, %v", rest, err)
			}
		})
	}
}
