package gateway_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// liar is a CRM that answers each path with bytes of its own and keeps the connection open, whatever it said. "/good" is an honest page.
func liar(t *testing.T, answers map[string]string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lie(t, ln, answers)
	return "http://" + ln.Addr().String()
}

// lie is liar on a listener of the caller's.
func lie(t *testing.T, ln net.Listener, answers map[string]string) {
	t.Cleanup(func() { ln.Close() })
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			answer, ok := answers[r.URL.Path]
			if !ok {
				who := r.Header.Get("X-Forwarded-User") + r.URL.RawQuery
				answer = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(who), who)
			}
			answer, reset := strings.CutSuffix(answer, "RESET")
			if strings.HasSuffix(answer, "FLOOD") {
				answer = strings.TrimSuffix(answer, "FLOOD")
				io.WriteString(c, answer)
				for { // until we hang up
					if _, err := io.WriteString(c, "X-Flood: "+strings.Repeat("x", 1000)+"\r\n"); err != nil {
						return
					}
				}
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
			if reset {
				c.(*net.TCPConn).SetLinger(0)
				return
			}
		}
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
}

// TestHostileCRM lets a CRM break every promise, over both ways to it. Whatever it does costs the one request and no other: what comes next
// is answered with the right page, and nothing is left behind.
func TestHostileCRM(t *testing.T) {
	const ok, hidden = "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden"
	answers := map[string]string{
		"/too-long":        ok + "Content-Length: 2\r\n\r\nok" + hidden,
		"/too-short":       ok + "Content-Length: 100\r\n\r\nshortRESET",
		"/two-lengths":     ok + "Content-Length: 2\r\nContent-Length: 5\r\n\r\nok" + hidden,
		"/negative":        ok + "Content-Length: -1\r\n\r\nok",
		"/length-and-more": ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"/bad-chunk":       ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
		"/endless-chunk":   ok + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("f", 40) + "\r\nok",
		"/half-chunk":      ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelRESET",
		"/reset":           "RESET",
		"/reset-in-head":   ok + "X-A: RESET",
		"/garbage":         "\x00\x01\x02\x03\r\n\r\n",
		"/folded":          ok + "X-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
		"/bad-name":        ok + "X A: b\r\nContent-Length: 2\r\n\r\nok",
		"/bad-value":       ok + "X-A: b\x00c\r\nContent-Length: 2\r\n\r\nok",
		"/flood":           ok + "FLOOD",
		"/flood-early":     "HTTP/1.1 103 Early Hints\r\nFLOOD",
		"/many-early":      strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100) + hidden,
		"/status":          "HTTP/1.1 999999 Odd\r\nContent-Length: 0\r\n\r\n",
		"/unasked":         ok + "Content-Length: 0\r\n\r\n" + hidden + hidden,
		"/switch":          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
		"/204-with-body":   "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\n" + hidden,
		"/hang":            "",
	}
	up := liar(t, answers)
	for _, fast := range []bool{true, false} {
		g := guard(t, up, func(s *setup) {
			s.upstreams[0].FastGet = fast
			s.upstreams[0].Timeouts.ResponseHeader = time.Second // "/hang" waits that long, and an honest page must not need it on a busy machine
		})
		before := runtime.NumGoroutine()
		for path := range answers {
			for i := range 2 {
				c, in := g.dial()
				fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: crm.example.com\r\n%s\r\nConnection: close\r\n\r\n", path, asAnn)
				for { // early answers may come before
					res, err := http.ReadResponse(in, nil)
					if err != nil {
						break // cut off
					}
					body, _ := io.ReadAll(res.Body)
					if strings.Contains(string(body), "hidden") && path != "/many-early" {
						t.Errorf("%s: the hidden answer arrived", path)
					}
					if res.StatusCode >= 200 {
						break
					}
				}
				c.Close()
				want := fmt.Sprintf("account-1q=%s%d", strings.Trim(path, "/"), i)
				if res := g.get("GET /good?q="+strings.Trim(path, "/")+fmt.Sprint(i), asAnn); res.StatusCode != 200 || res.body != want {
					t.Errorf("after %s (fast %t): status %d, %q, want %q", path, fast, res.StatusCode, res.body, want)
				}
			}
		}
		for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+20; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
			}
		}
	}
}

// TestLeftOverAnswer asks a CRM that adds an answer to its answers, over connections that are used again at once by others. http.Transport
// alone gives the one too many to whoever comes first; nobody may get it, and nobody's request may fail for it.
func TestLeftOverAnswer(t *testing.T) {
	const hidden = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden"
	answers := map[string]string{
		"/none": "HTTP/1.1 204 No Content\r\n\r\n" + hidden,
		"/some": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + hidden,
	}
	_, ca, srv := secure(t, false, nil)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: srv.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	lie(t, ln, answers)
	for name, g := range map[string]*gate{
		"plain": guard(t, liar(t, answers), nil),
		"TLS":   guard(t, "https://"+ln.Addr().String(), func(s *setup) { s.upstreams[0].TLS.CAFile = ca }),
	} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for worker := range 8 {
				wg.Go(func() {
					for i := range 50 {
						for path, want := range map[string]string{"/none": "", "/some": "ok", "/good": fmt.Sprintf("account-1%d.%d", worker, i)} {
							r := g.request("POST", fmt.Sprintf("%s?%d.%d", path, worker, i), nil)
							r.Body, r.ContentLength = io.NopCloser(strings.NewReader("typed")), 5
							if body, err := io.ReadAll(g.do(r).Body); string(body) != want || err != nil {
								t.Errorf("%s: %q %v, want %q", path, body, err, want)
								return
							}
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestGigabytesStreamInLittleMemory sends more than a gigabyte up through the gateway, and some down, and looks at the heap all the while.
func TestGigabytesStreamInLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("moves gigabytes")
	}
	const size, down = 1<<30 + 1<<20, 1 << 28
	up := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, err)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(down))
		io.Copy(w, zeros(down))
	}))
	g := guard(t, "http://"+up, nil)
	most := heapWhile(t, func() {
		r := g.request("PUT", "/upload", nil)
		r.Body, r.ContentLength = io.NopCloser(zeros(size)), size
		if body, _ := io.ReadAll(g.do(r).Body); string(body) != fmt.Sprint(int64(size), " <nil>") {
			t.Errorf("upload: %s", body)
		}
		if n, err := io.Copy(io.Discard, g.do(g.request("GET", "/download", nil)).Body); n != down || err != nil {
			t.Errorf("download: %d bytes, %v", n, err)
		}
	})
	// The client and the CRM are in this process as well.
	if most > 32<<20 {
		t.Errorf("the heap grew by %d MB", most>>20)
	}
}

// heapWhile returns by how much the heap grew at most while do ran.
func heapWhile(t *testing.T, do func()) int64 {
	t.Helper()
	var most atomic.Uint64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapInuse))
			}
		}
	})
	func() {
		defer func() { close(stop); wg.Wait() }() // also where do gives the test up
		do()
	}()
	return int64(most.Load()) - int64(before.HeapInuse)
}
