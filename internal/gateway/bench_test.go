package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"crmgate/internal/gateway"
	"crmgate/internal/middleware"
	"crmgate/internal/policy"
	"crmgate/internal/proxy"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

// The benchmark measures the CPU of this process, so whatever is not the proxy runs in copies of the test binary.
const roleVariable = "CRMGATE_BENCH_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "upstream":
		benchUpstream()
	case "client":
		benchClient()
	default:
		os.Exit(m.Run())
	}
}

// benchUpstream answers with 200 bytes of JSON until its stdin closes.
func benchUpstream() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	body := []byte(`{"name":"` + strings.Repeat("x", 188) + `"}`)
	go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}))
	fmt.Println(ln.Addr())
	io.Copy(io.Discard, os.Stdin)
}

// benchClient reads "address connections requests headers" lines and answers each when that load is done. Connections stay open from one
// load to the next: dialling is not what is measured.
func benchClient() {
	in := bufio.NewScanner(os.Stdin)
	open := map[string][]*benchConn{}
	for in.Scan() {
		var addr, set string
		var conns, n int
		if _, err := fmt.Sscan(in.Text(), &addr, &conns, &n, &set); err != nil {
			log.Fatal(err)
		}
		for len(open[addr]) < conns {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				log.Fatal(err)
			}
			open[addr] = append(open[addr], &benchConn{c, bufio.NewReader(c)})
		}
		var wg sync.WaitGroup
		for _, c := range open[addr] {
			wg.Go(func() { c.load(n/conns, set) })
		}
		wg.Wait()
		fmt.Println("done")
	}
}

type benchConn struct {
	net.Conn
	in *bufio.Reader
}

func (c *benchConn) load(n int, set string) {
	request := []byte("GET /contacts/7?tab=notes HTTP/1.1\r\nHost: crm.example.com\r\n" + headerSets[set] + "\r\n")
	for range n {
		if _, err := c.Write(request); err != nil {
			log.Fatal(err)
		}
		res, err := http.ReadResponse(c.in, nil)
		if err != nil || res.StatusCode != 200 {
			log.Fatal(res, err)
		}
		io.Copy(io.Discard, res.Body)
	}
}

var headerSets = map[string]string{
	"api": "User-Agent: bench\r\nAccept: */*\r\nCookie: crmgate_session=" + benchCookie + "\r\n",
	"browser": "Connection: keep-alive\r\nCache-Control: max-age=0\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: de,en;q=0.8\r\n" +
		"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nUpgrade-Insecure-Requests: 1\r\n" +
		"Referer: https://crm.example.com/contacts\r\nCookie: crm=abcdef0123456789; crmgate_session=" + benchCookie + "; theme=dark\r\n",
}

const benchCookie = "0123456789abcdef0123456789abcdef.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopo"

// oneSession is a store that holds one session, for a real session.Manager.
type oneSession struct {
	session.Store
	s *session.Session
}

func (o oneSession) GetSession(context.Context, string) (*session.Session, error) {
	c := *o.s
	return &c, nil
}

func (o oneSession) TouchSession(context.Context, string, time.Time) error { return nil }

// child starts a copy of this binary in a role.
func child(b *testing.B, role string) (io.Writer, *bufio.Reader) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	return in, bufio.NewReader(out)
}

// bareProxy is what the gateway is held against: httputil.ReverseProxy at its best, with the same kind of transport.
func bareProxy(target *url.URL) http.Handler {
	pool := &sync.Pool{New: func() any { return new([32 << 10]byte) }}
	return &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(target)
			pr.Out.Host = pr.In.Host
			pr.SetXForwarded()
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 1024, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
			DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext, ForceAttemptHTTP2: true,
			ResponseHeaderTimeout: 60 * time.Second, ExpectContinueTimeout: time.Second},
		BufferPool: bufferPool{pool},
	}
}

type bufferPool struct{ *sync.Pool }

func (p bufferPool) Get() []byte  { return p.Pool.Get().(*[32 << 10]byte)[:] }
func (p bufferPool) Put(b []byte) { p.Pool.Put((*[32 << 10]byte)(b)) }

// benchGateway is the whole chain: middleware, rules, session, identity headers, assertion.
func benchGateway(b *testing.B, target string, log *slog.Logger) http.Handler {
	b.Helper()
	cfg := proxy.Config{}.Default()
	cfg.ID, cfg.URLs = "crm", []string{target}
	signer := newSigner(b)
	public, _ := url.Parse("https://crm.example.com")
	now := time.Now()
	s := &session.Session{ID: benchCookie[:32], SecretDigest: token.Digest(benchCookie[33:]), AccountID: "6b1f0a52c6d84f6fa3a9d0c2f7f0a111", Email: "ann@contoso.com", Name: "Ann Example",
		Username: "ann", Groups: []string{"crm-users", "sales"}, Provider: "contoso", AMR: []string{"pwd"}, AuthTime: now, LastSeen: now,
		ExpiresAt: now.Add(time.Hour), IdleTimeout: time.Hour}
	sessions := &session.Manager{Store: oneSession{s: s}}
	up, err := proxy.Open(cfg, proxy.Shared{PublicURL: public, Signer: signer, Fail: plainFail{b}, Alive: sessions.Alive,
		Names: proxy.NewNames([]proxy.Config{cfg}, []string{"crmgate_session", "crmgate_attempt_*"})})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(up.Close)
	rules, err := policy.New(policy.Config{DefaultAllow: "signed_in", Rules: []policy.RuleConfig{
		{Name: "assets", Paths: []string{"/assets/**"}, Methods: []string{"GET"}, Allow: policy.Allow{Word: "anyone"}},
		{Name: "administration", Paths: []string{"/admin/**"}, Allow: policy.Allow{Groups: []string{"crm-admins"}}},
		{Name: "contacts", Paths: []string{"/contacts/**"}, Allow: policy.Allow{Groups: []string{"sales", "crm-users"}}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	h := &gateway.Handler{Rules: rules, Routes: gateway.NewRoutes([]*proxy.Upstream{up}), Fail: plainFail{b}, PublicURL: public, Prefix: "/_gate",
		Sessions: sessions}
	return middleware.Origin(nil, middleware.AccessLog(log, "/_gate", middleware.Recover(plainFail{b}, slog.Default(), h)))
}

type cost struct{ cpu, bytes, allocs float64 }

// BenchmarkGateway drives the same load through the gateway and through a bare proxy, round by round in turn, and reports the CPU, bytes
// and allocations that each takes for a request, and the median of the rounds' ratios with its quartiles. One iteration is one round, so
// -benchtime=100x is a fair measurement; rounds are short, so that both sides of a ratio see the
// same weather.
func BenchmarkGateway(b *testing.B) {
	_, out := child(b, "upstream")
	line, err := out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	target, _ := url.Parse("http://" + strings.TrimSpace(line))
	loads, done := child(b, "client")
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	bare := bareProxy(target)
	for _, bb := range []struct {
		name, headers string
		handler       http.Handler
	}{
		{"browser", "browser", benchGateway(b, target.String(), nil)},
		{"api", "api", benchGateway(b, target.String(), nil)},
		{"browser+accesslog", "browser", benchGateway(b, target.String(), logger)},
		{"bare-against-itself", "browser", bareProxy(target)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			framed := bb.name != "bare-against-itself"
			servers := [2]string{serve(b, bare, false), serve(b, bb.handler, framed)}
			const requests, conns = 320, 16
			load := func(i int) cost {
				before := measure()
				fmt.Fprintln(loads, servers[i], conns, requests, bb.headers)
				if _, err := done.ReadString('\n'); err != nil {
					b.Fatal(err)
				}
				after := measure()
				return cost{(after.cpu - before.cpu) / requests, (after.bytes - before.bytes) / requests, (after.allocs - before.allocs) / requests}
			}
			load(0)
			load(1)
			var ratios []float64
			var costs [2][]cost
			for round := 0; b.Loop(); round++ {
				first := round % 2
				var c [2]cost
				c[first] = load(first)
				c[1-first] = load(1 - first)
				ratios = append(ratios, c[1].cpu/c[0].cpu)
				costs[0], costs[1] = append(costs[0], c[0]), append(costs[1], c[1])
			}
			slices.Sort(ratios)
			quantile := func(q float64) float64 { return ratios[int(q*float64(len(ratios)-1)+0.5)] }
			b.ReportMetric(quantile(0.5), "ratio")
			b.ReportMetric(quantile(0.25), "ratio-q1")
			b.ReportMetric(quantile(0.75), "ratio-q3")
			for i, who := range []string{"bare", "gate"} {
				b.ReportMetric(median(costs[i], func(c cost) float64 { return c.cpu }), who+"-ns")
				b.ReportMetric(median(costs[i], func(c cost) float64 { return c.bytes }), who+"-B")
				b.ReportMetric(median(costs[i], func(c cost) float64 { return c.allocs }), who+"-allocs")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// serve listens; framed does so as package app does.
func serve(b *testing.B, h http.Handler, framed bool) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	addr := ln.Addr().String()
	if framed {
		ln = middleware.Framing{Listener: ln}
	}
	go srv.Serve(ln)
	b.Cleanup(func() { srv.Close() })
	return addr
}

func measure() cost {
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		panic(err)
	}
	return cost{float64(ru.Utime.Nano() + ru.Stime.Nano()), float64(ms.TotalAlloc), float64(ms.Mallocs)}
}

func median(cs []cost, of func(cost) float64) float64 {
	vs := make([]float64, len(cs))
	for i, c := range cs {
		vs[i] = of(c)
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}
