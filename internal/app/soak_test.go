//go:build soak

package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crmgate/internal/fakeidp"
	"crmgate/internal/realtest"
)

const (
	soakConnections = 500
	// soakWarmUp is left out of the comparison: pools, caches and the heap's own size settle in it.
	soakWarmUp = 0.3
	// soakGrowth is how much more the last third of the rest may use than the first: a leak of one kilobyte for each ten requests is far beyond it.
	soakGrowth = 1.15
)

// sample is what the gateway's process uses at a moment.
type sample struct {
	at                             time.Duration
	resident, heap, routines, open float64
}

// TestSoak keeps five hundred connections busy (SOAK, default ten minutes) with all that browsers do, rude things included, and
// demands that memory, goroutines and file descriptors of the gateway's process stay flat. `make soak` runs it.
func TestSoak(t *testing.T) {
	length := 10 * time.Minute
	if s := os.Getenv("SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	crm := httptest.NewServer(soakCRM())
	t.Cleanup(crm.Close)
	l, gate := listen(t)
	ops := realtest.Addr(t)
	idp := company(t, gate, func(c *fakeidp.Config) { c.Issuer = "/contoso" })
	idp.SignInAs("ann@contoso.test")
	startProcess(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: %q, ops_listen: %q, data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
providers: [{id: contoso, type: oidc, name: Contoso, issuer: %q, client_id: crm, client_secret: s, logout: local}]
log: {level: error}
`, gate, l.Addr(), ops, t.TempDir(), crm.URL, idp.Issuer()))

	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	var done soakCounts
	cookie := soakSignIn(t, gate)
	var all sync.WaitGroup
	for range soakConnections {
		all.Go(func() { soakClient(ctx, l.Addr().String(), cookie, &done) })
	}
	all.Go(func() { soakChurn(ctx, t, gate, &done) })
	var samples []sample
	began := time.Now()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(length / 60):
			s := measure(t, ops)
			s.at = time.Since(began)
			samples = append(samples, s)
			log.Printf("%6s  %6.1f MB resident  %6.1f MB heap  %5.0f goroutines  %4.0f descriptors  %s",
				s.at.Round(time.Second), s.resident/1e6, s.heap/1e6, s.routines, s.open, &done)
		}
	}
	all.Wait()
	if done.answers.Load() < 1000 || done.signIns.Load() < 5 || done.sockets.Load() < 50 {
		t.Fatalf("too little happened: %s", &done)
	}
	if wrong := done.wrong.Load(); wrong > done.answers.Load()/1000 {
		t.Errorf("%d answers were wrong: %s", wrong, &done)
	}
	flat(t, samples[int(soakWarmUp*float64(len(samples))):])
}

// flat compares the medians of the first and the last third.
func flat(t *testing.T, samples []sample) {
	t.Helper()
	third := len(samples) / 3
	for name, of := range map[string]struct {
		value func(sample) float64
		slack float64
	}{
		"resident bytes": {func(s sample) float64 { return s.resident }, 8e6},
		"heap bytes":     {func(s sample) float64 { return s.heap }, 8e6},
		"goroutines":     {func(s sample) float64 { return s.routines }, 100},
		"descriptors":    {func(s sample) float64 { return s.open }, 50},
	} {
		first, last := median(samples[:third], of.value), median(samples[len(samples)-third:], of.value)
		t.Logf("%s: %.0f at first, %.0f at last", name, first, last)
		if last > first*soakGrowth+of.slack {
			t.Errorf("%s grew from %.0f to %.0f", name, first, last)
		}
	}
}

func median(samples []sample, value func(sample) float64) float64 {
	var all []float64
	for _, s := range samples {
		all = append(all, value(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

type soakCounts struct{ answers, aborted, sockets, streams, signIns, wrong atomic.Int64 }

func (c *soakCounts) String() string {
	return fmt.Sprintf("%d answers, %d broken off, %d WebSockets, %d streams, %d sign-ins, %d wrong",
		c.answers.Load(), c.aborted.Load(), c.sockets.Load(), c.streams.Load(), c.signIns.Load(), c.wrong.Load())
}

// soakCRM answers with what applications answer with.
func soakCRM() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"name":"Prospect"}`) })
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		for range 40 { // chunked
			io.WriteString(w, strings.Repeat("x", 1000))
		}
	})
	mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 20 {
			if fmt.Fprint(w, "data: tick\n\n"); http.NewResponseController(w).Flush() != nil || r.Context().Err() != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	mux.HandleFunc("/cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(conn, conn)
	})
	return mux
}

// soakClient uses one connection after another, each for a while.
func soakClient(ctx context.Context, addr, cookie string, done *soakCounts) {
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		end := context.AfterFunc(ctx, func() { conn.Close() })
		in := bufio.NewReader(conn)
		for range 1 + rand.IntN(60) {
			time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
			if !soakStep(ctx, conn, in, addr, cookie, done) {
				break
			}
		}
		end()
		conn.Close()
	}
}

// soakStep does one thing and reports whether the connection is good for another.
func soakStep(ctx context.Context, conn net.Conn, in *bufio.Reader, addr, cookie string, done *soakCounts) bool {
	head := "Host: " + addr + "\r\nCookie: " + cookie + "\r\n"
	switch n := rand.IntN(100); {
	case n < 70:
		return soakAsk(conn, in, "GET", fmt.Sprintf("GET /json?%d HTTP/1.1\r\n%s\r\n", n, head), http.StatusOK, done)
	case n < 78:
		return soakAsk(conn, in, "GET", "GET /page HTTP/1.1\r\n"+head+"\r\n", http.StatusOK, done)
	case n < 82:
		return soakAsk(conn, in, "POST", "POST /upload HTTP/1.1\r\n"+head+"Content-Length: 65536\r\n\r\n"+strings.Repeat("u", 65536), http.StatusOK, done)
	case n < 86: // nobody
		return soakAsk(conn, in, "GET", "GET /json HTTP/1.1\r\nHost: "+addr+"\r\nSec-Fetch-Mode: cors\r\n\r\n", http.StatusUnauthorized, done)
	case n < 89:
		return soakAsk(conn, in, "GET", "GET /x%2fy HTTP/1.1\r\n"+head+"\r\n", http.StatusBadRequest, done)
	case n < 91:
		done.streams.Add(1)
		return soakAsk(conn, in, "GET", "GET /events HTTP/1.1\r\nAccept: text/event-stream\r\n"+head+"\r\n", http.StatusOK, done)
	case n < 93:
		soakAsk(conn, in, "GET", "GET /cut HTTP/1.1\r\n"+head+"\r\n", http.StatusBadGateway, done)
		return false
	case n < 96: // the person closes the tab
		done.aborted.Add(1)
		io.WriteString(conn, "GET /page HTTP/1.1\r\n"+head+"\r\n")
		return false
	case n < 98: // or half-way through an upload
		done.aborted.Add(1)
		io.WriteString(conn, "POST /upload HTTP/1.1\r\n"+head+"Content-Length: 65536\r\n\r\nhalf")
		return false
	}
	done.sockets.Add(1)
	io.WriteString(conn, "GET /ws HTTP/1.1\r\n"+head+"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		if ctx.Err() == nil {
			done.wrong.Add(1)
		}
		return false
	}
	for range 5 {
		io.WriteString(conn, "ping")
		if _, err := io.ReadFull(in, make([]byte, 4)); err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

func soakAsk(conn net.Conn, in *bufio.Reader, method, request string, want int, done *soakCounts) bool {
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		return false
	}
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		return false // the gateway may close an idle connection at any time
	}
	_, err = io.Copy(io.Discard, res.Body)
	if res.StatusCode != want {
		done.wrong.Add(1)
	}
	done.answers.Add(1)
	return err == nil && !res.Close
}

// soakSignIn signs in with a browser of its own and returns its cookies.
func soakSignIn(t *testing.T, gate string) string {
	b := newBrowser(t)
	if err := b.open(gate + "/_gate/sign-in/contoso?return_to=/json"); err != nil || b.status != http.StatusOK {
		t.Fatalf("sign in: %d, %v", b.status, err)
	}
	var cookies []string
	for _, c := range b.client.Jar.Cookies(b.url) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	return strings.Join(cookies, "; ")
}

// soakChurn signs in and out all the time.
func soakChurn(ctx context.Context, t *testing.T, gate string, done *soakCounts) {
	for ctx.Err() == nil {
		b := newBrowser(t)
		if err := b.open(gate + "/_gate/sign-in/contoso?return_to=/json"); err != nil || b.status != http.StatusOK {
			if ctx.Err() == nil {
				done.wrong.Add(1)
			}
		} else if done.signIns.Add(1)%2 == 0 {
			if err := b.open(gate + "/_gate/sign-out"); err == nil {
				_ = b.submit(nil)
			}
		}
		b.client.CloseIdleConnections()
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond): // below what one client may start in a minute
		}
	}
}

// measure reads the gateway's own metrics.
func measure(t *testing.T, ops string) sample {
	t.Helper()
	res, err := http.Get("http://" + ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	values := map[string]float64{}
	for in := bufio.NewScanner(res.Body); in.Scan(); {
		if name, value, ok := strings.Cut(in.Text(), " "); ok {
			values[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	s := sample{resident: values["process_resident_memory_bytes"], heap: values["go_memstats_heap_inuse_bytes"],
		routines: values["go_goroutines"], open: values["process_open_fds"]}
	if s.resident == 0 || s.heap == 0 || s.routines == 0 || s.open == 0 {
		text, _ := json.Marshal(values)
		t.Fatalf("the metrics lack something: %s", text)
	}
	return s
}
