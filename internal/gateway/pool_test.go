package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crmgate/internal/proxy"
	"crmgate/internal/realtest"
)

// replica is one of several machines of a CRM. Its mode may change while it runs.
type replica struct {
	url string
	// mode is what it does: "" answers, "503", "reset" closes the connection after the request, "slow" waits.
	mode     atomic.Value
	requests atomic.Int64
	health   atomic.Int64
	release  chan struct{}
}

func newReplica(t testing.TB, name string) *replica {
	t.Helper()
	r := &replica{release: make(chan struct{})}
	r.mode.Store("")
	r.url = "http://" + listen(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/health" {
			r.health.Add(1)
			if r.mode.Load() == "503" {
				w.WriteHeader(503)
			}
			return
		}
		mode := r.mode.Load()
		r.requests.Add(1) // after which a test may change the mode
		switch mode {
		case "503":
			w.WriteHeader(503)
		case "reset":
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
		case "slow":
			<-r.release
		}
		body, _ := io.ReadAll(req.Body)
		fmt.Fprint(w, name, string(body))
	}))
	return r
}

// over starts a gateway over several addresses and returns its upstream as well.
func over(t testing.TB, change func(*proxy.Config), urls ...string) *gate {
	t.Helper()
	return guard(t, urls[0], func(s *setup) {
		s.upstreams[0].URLs = urls
		if change != nil {
			change(&s.upstreams[0])
		}
	})
}

// dead is an address where nobody listens.
func dead(t testing.TB) string {
	t.Helper()
	return "http://" + realtest.Addr(t)
}

func TestRequestsAreSpread(t *testing.T) {
	a, b := newReplica(t, "a"), newReplica(t, "b")
	g := over(t, nil, a.url, b.url)
	for range 60 {
		if res := g.get("GET /x", asAnn); res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, res.body)
		}
	}
	if a.requests.Load() < 10 || b.requests.Load() < 10 {
		t.Errorf("a got %d, b %d", a.requests.Load(), b.requests.Load())
	}
	// One that is busy gets nothing as long as the other is not.
	a.mode.Store("slow")
	var wg sync.WaitGroup
	var sent, answered atomic.Int64
	before := a.requests.Load()
	for a.requests.Load() == before {
		sent.Add(1)
		wg.Go(func() { g.get("GET /x", asAnn); answered.Add(1) })
		time.Sleep(time.Millisecond)
	}
	wait(t, func() bool { return answered.Load()+a.requests.Load()-before == sent.Load() }) // nothing is on its way to either
	stuck := a.requests.Load()
	for range 20 {
		wait(t, func() bool { return g.inFlight(1) == 0 }) // the end of an answer is here before it is counted there
		g.get("GET /x", asAnn)
	}
	if n := a.requests.Load(); n != stuck {
		t.Errorf("the busy one got %d more", n-stuck)
	}
	close(a.release)
	wg.Wait()
	wait(t, func() bool { return g.inFlight(0)+g.inFlight(1) == 0 })
}

func (g *gate) inFlight(i int) int64 {
	endpoints, _ := g.upstreams[0].Status()
	return endpoints[i].InFlight
}

func TestAnAddressThatIsDownIsNotNoticed(t *testing.T) {
	b := newReplica(t, "b")
	g := over(t, nil, dead(t), b.url)
	for _, request := range []string{
		"GET /x HTTP/1.1\r\n", "DELETE /x HTTP/1.1\r\n", "POST /x HTTP/1.1\r\nContent-Length: 5\r\n",
		"GET /x HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
	} {
		g.forget()
		for range 8 { // whichever of the two is picked first
			body := ""
			if strings.HasPrefix(request, "POST") {
				body = "hello"
			}
			res := g.raw(request + "Host: crm.example.com\r\nConnection: close\r\n" + asAnn + "\r\n\r\n" + body)
			if res.StatusCode != 200 || res.body != "b"+body {
				t.Errorf("%q: status %d: %s", request, res.StatusCode, res.body)
			}
		}
	}
	status, retries := g.upstreams[0].Status()
	if retries == 0 || status[0].Healthy || !status[1].Healthy || status[0].Failures == 0 {
		t.Errorf("%d retries, %+v", retries, status)
	}
}

// forget lets every address be asked again.
func (g *gate) forget() {
	g.now.Add(int64(time.Hour))
}

func TestOnlyWhatIsSafeIsTriedAgain(t *testing.T) {
	a, b := newReplica(t, "a"), newReplica(t, "b")
	a.mode.Store("reset")
	b.mode.Store("reset")
	g := over(t, nil, a.url, b.url)
	for _, tc := range []struct {
		request string
		asked   int64
	}{
		{"GET /x HTTP/1.1\r\n", 2}, {"HEAD /x HTTP/1.1\r\n", 2}, {"OPTIONS /x HTTP/1.1\r\n", 2}, {"POST /x HTTP/1.1\r\nContent-Length: 0\r\n", 1},
		{"PUT /x HTTP/1.1\r\nContent-Length: 0\r\n", 1}, {"DELETE /x HTTP/1.1\r\n", 1}, {"GET /x HTTP/1.1\r\nContent-Length: 1\r\n", 1},
	} {
		before := a.requests.Load() + b.requests.Load()
		body := ""
		if strings.Contains(tc.request, ": 1\r\n") {
			body = "x"
		}
		res := g.raw(tc.request + "Host: crm.example.com\r\nConnection: close\r\n" + asAnn + "\r\n\r\n" + body)
		if n := a.requests.Load() + b.requests.Load() - before; n != tc.asked || res.StatusCode != 502 {
			t.Errorf("%q: asked %d times, want %d; status %d", tc.request, n, tc.asked, res.StatusCode)
		}
	}
}

func TestAnAddressThatFailsRestsAndComesBack(t *testing.T) {
	a, b := newReplica(t, "a"), newReplica(t, "b")
	g := over(t, nil, a.url, b.url)
	a.mode.Store("503")
	failed := 0
	for range 100 {
		if g.get("GET /x", asAnn).StatusCode == 503 {
			failed++
		}
	}
	if failed != 5 {
		t.Errorf("%d answers were failures, want 5", failed)
	}
	a.mode.Store("")
	g.now.Add(int64(2 * time.Second))
	before := a.requests.Load()
	for range 40 {
		g.get("GET /x", asAnn)
	}
	if a.requests.Load() == before {
		t.Error("it did not come back")
	}
	// Where all are out of order they are asked all the same.
	a.mode.Store("503")
	b.mode.Store("503")
	for range 40 {
		g.get("GET /x", asAnn)
	}
	a.mode.Store("")
	b.mode.Store("")
	if res := g.get("GET /x", asAnn); res.StatusCode != 200 {
		t.Errorf("status %d: %s", res.StatusCode, res.body)
	}
	if res := over(t, nil, dead(t), dead(t)).get("GET /x", asAnn); res.StatusCode != 502 || !strings.Contains(res.body, "unreachable") {
		t.Errorf("nobody there: status %d: %s", res.StatusCode, res.body)
	}
}

func TestHealthChecks(t *testing.T) {
	a, b := newReplica(t, "a"), newReplica(t, "b")
	g := over(t, func(c *proxy.Config) {
		c.Health = proxy.HealthConfig{Path: "/health", Interval: 100 * time.Millisecond}
	}, a.url, b.url)
	go g.upstreams[0].Run(t.Context())
	healthy := func() bool { s, _ := g.upstreams[0].Status(); return s[0].Healthy }
	a.mode.Store("slow")
	begun := make(chan answer, 1)
	var sent, answered atomic.Int64
	wait(t, func() bool {
		sent.Add(1)
		go func() {
			defer answered.Add(1)
			if res := g.get("GET /x", asAnn); res.body == "a" {
				select {
				case begun <- res:
				default:
				}
			}
		}()
		return a.requests.Load() > 0
	})
	wait(t, func() bool { return answered.Load()+a.requests.Load() == sent.Load() }) // nothing is on its way to either
	a.mode.Store("503")
	wait(t, func() bool { return !healthy() })
	before := a.requests.Load()
	for range 20 {
		if res := g.get("GET /x", asAnn); res.StatusCode != 200 {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	if a.requests.Load() != before {
		t.Error("the sick one was asked")
	}
	// What it had begun it may finish: so an address is drained.
	close(a.release)
	select {
	case res := <-begun:
		if res.StatusCode != 200 {
			t.Errorf("begun before it was sick: status %d", res.StatusCode)
		}
	case <-time.After(time.Minute):
		t.Error("what was begun before it was sick has no answer")
	}
	a.mode.Store("")
	wait(t, healthy)
}

func wait(t testing.TB, until func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !until(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in a minute")
		}
	}
}

func TestStickySessions(t *testing.T) {
	a, b, c := newReplica(t, "a"), newReplica(t, "b"), newReplica(t, "c")
	g := over(t, func(c *proxy.Config) { c.Sticky = true }, a.url, b.url, c.url)
	home := map[string]string{}
	used := map[string]int{}
	for i := range 30 {
		s := annSession()
		s.ID = fmt.Sprintf("%032x", i*7919)
		who := fmt.Sprint("p", i)
		g.sessions.put(who, s)
		for range 3 {
			at := g.get("GET /x", "Cookie: crmgate_session="+who).body
			if home[who] != "" && home[who] != at {
				t.Errorf("%s moved from %s to %s", who, home[who], at)
			}
			home[who] = at
		}
		used[home[who]]++
	}
	if len(used) != 3 {
		t.Errorf("not spread: %v", used)
	}
	a.mode.Store("503")
	for range 30 { // until it rests
		for who, at := range home {
			if at == "a" {
				g.get("GET /x", "Cookie: crmgate_session="+who)
			}
		}
	}
	for who, at := range home {
		switch now := g.get("GET /x", "Cookie: crmgate_session="+who).body; {
		case at != "a" && now != at:
			t.Errorf("%s moved from %s to %s though that is well", who, at, now)
		case at == "a" && now != "b" && now != "c":
			t.Errorf("%s is served by %q", who, now)
		}
	}
}

// TestH2CUpstream speaks HTTP/2 from the first byte on, and HTTP/1.1 for a WebSocket, to the same address.
func TestH2CUpstream(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			conn, _, _ := http.NewResponseController(w).Hijack()
			fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
			conn.Close()
			return
		}
		fmt.Fprintf(w, "%s %s %s", r.Proto, r.RequestURI, r.Host)
	})}
	srv.Protocols.SetUnencryptedHTTP2(true)
	srv.Protocols.SetHTTP1(true)
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	g := guard(t, "h2c://"+ln.Addr().String()+"/base", nil)
	if res := g.get("GET /a;b/%7e?c;d", asAnn); res.body != "HTTP/2.0 /base/a;b/%7e?c;d crm.example.com" {
		t.Errorf("status %d: %s", res.StatusCode, res.body)
	}
	c, in := g.dial()
	io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: crm.example.com\r\n"+asAnn+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(in), nil)
	if err != nil || res.StatusCode != 101 {
		t.Errorf("%v, %v", res, err)
	}
}
