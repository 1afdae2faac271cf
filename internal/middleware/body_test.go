package middleware

import (
	"bufio"
	"fmt"
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
		srv := httptest.NewUnstartedServer(Bodies(patience, time.Hour, handler))
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

// TestBodiesThatTrickle sends a body in small pieces and demands that it is given up where next to nothing comes, and only there.
func TestBodiesThatTrickle(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/talks" {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil && r.URL.Path != "/talks" {
			w.WriteHeader(400)
		}
		fmt.Fprint(w, n)
	})
	for _, http2 := range []bool{false, true} {
		serve := func(silence time.Duration) *httptest.Server {
			srv := httptest.NewUnstartedServer(Bodies(time.Second, silence, handler))
			srv.EnableHTTP2 = http2
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.StartTLS()
			t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
			return srv
		}
		// At the one a kilobyte in a tenth of a second is far too slow; at the other nobody is, who does not stop altogether.
		strict, mild := serve(200*time.Millisecond), serve(3*time.Second)
		for _, tc := range []struct {
			name, path, kind string
			to               *httptest.Server
			piece, pieces    int
			pause            time.Duration
			given            bool // up
		}{
			{"a byte now and then", "/", "text/plain", strict, 1, 100, 50 * time.Millisecond, true},
			{"nothing more", "/", "text/plain", strict, 1, 2, 30 * time.Second, true},
			{"a slow line", "/", "text/plain", mild, enough, 40, 100 * time.Millisecond, false},
			{"all at once", "/", "text/plain", strict, 100_000, 1, 0, false},
			{"after the answer has begun", "/talks", "text/plain", strict, 1, 3, 300 * time.Millisecond, false},
			{"gRPC", "/", "application/grpc+proto", strict, 1, 3, 300 * time.Millisecond, !http2},
		} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %t", tc.name, http2), func(t *testing.T) {
				t.Parallel()
				from, to := io.Pipe()
				defer from.Close()
				go func() {
					for i := range tc.pieces {
						if i > 0 {
							time.Sleep(tc.pause)
						}
						if _, err := to.Write(make([]byte, tc.piece)); err != nil {
							return
						}
					}
					to.Close()
				}()
				res, err := tc.to.Client().Post(tc.to.URL+tc.path, tc.kind, from)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				all := res.StatusCode == 200 && string(body) == fmt.Sprint(tc.piece*tc.pieces)
				if err != nil || all == tc.given {
					t.Errorf("%d %s, %v; sent %d", res.StatusCode, body, err, tc.piece*tc.pieces)
				}
			})
		}
	}
}
