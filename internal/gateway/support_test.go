package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/gateway"
	"crmgate/internal/middleware"
	"crmgate/internal/policy"
	"crmgate/internal/proxy"
	"crmgate/internal/session"
)

// plainFail answers errors with their kind's status and a text that tests can look at.
type plainFail struct{ t testing.TB }

func (f plainFail) Fail(w http.ResponseWriter, r *http.Request, err error) {
	status := map[fault.Kind]int{fault.Internal: 500, fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404,
		fault.Upstream: 502, fault.Unavailable: 503, fault.Timeout: 504}[fault.KindOf(err)]
	if status == 500 {
		f.t.Logf("%s %s: %v", r.Method, r.RequestURI, err)
	}
	text := "internal"
	var e *fault.Error
	if errors.As(err, &e) {
		text = e.Reason + ": " + e.Sentence
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

func newSigner(t testing.TB) *proxy.Signer {
	t.Helper()
	key, err := proxy.NewAssertionKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s, err := proxy.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fakeSessions knows sessions by the cookie's value. The cookie "broken" is a store that cannot be asked.
type fakeSessions struct {
	mu sync.Mutex
	m  map[string]*session.Session
}

func (f *fakeSessions) Lookup(r *http.Request) (*session.Session, error) {
	c, err := r.Cookie("crmgate_session")
	if err != nil {
		return nil, nil
	}
	if c.Value == "broken" {
		return nil, errors.New("store is down")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.m[c.Value], nil
}

func (f *fakeSessions) put(cookie string, s session.Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m[cookie] = &s
}

func annSession() session.Session {
	return session.Session{ID: "0123456789abcdef0123456789abcdef", AccountID: "account-1", Email: "ann@contoso.com", Name: "Ann Example", Username: "ann",
		Groups: []string{"sales"}, Provider: "contoso", AuthTime: time.Unix(1_700_000_000, 0)}
}

// events is a Recorder that tests can read.
type events struct {
	mu   sync.Mutex
	list []audit.Event
}

func (e *events) Record(_ context.Context, ev audit.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func (e *events) all() []audit.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]audit.Event(nil), e.list...)
}

// gate is a gateway with everything around it, listening.
type gate struct {
	t        testing.TB
	addr     string
	handler  *gateway.Handler
	sessions *fakeSessions
	events   *events
	signer   *proxy.Signer
	// upstreams are in the order of setup; now is their clock, in nanoseconds.
	upstreams []*proxy.Upstream
	now       atomic.Int64
}

type setup struct {
	upstreams []proxy.Config
	access    policy.Config
	trusted   []netip.Prefix
}

// guard starts a gateway in front of one upstream, with a chance to change everything.
func guard(t testing.TB, upstream string, change func(*setup)) *gate {
	t.Helper()
	cfg := proxy.Config{}.Default()
	cfg.ID, cfg.URLs = "crm", []string{upstream}
	st := setup{upstreams: []proxy.Config{cfg}, access: policy.Config{DefaultAllow: "signed_in", Rules: []policy.RuleConfig{
		{Name: "public", Paths: []string{"/public/**"}, Methods: []string{"GET", "HEAD"}, Allow: policy.Allow{Word: "anyone"}},
		{Name: "administration", Paths: []string{"/admin/**"}, Allow: policy.Allow{Groups: []string{"crm-admins"}}},
		{Name: "closed", Paths: []string{"/internal/**"}, Allow: policy.Allow{Word: "nobody"}},
	}}}
	if change != nil {
		change(&st)
	}
	rules, err := policy.New(st.access)
	if err != nil {
		t.Fatal(err)
	}
	public, _ := url.Parse("https://crm.example.com")
	g := &gate{t: t, sessions: &fakeSessions{m: map[string]*session.Session{}}, events: &events{}, signer: newSigner(t)}
	g.sessions.put("ann", annSession())
	g.now.Store(time.Now().UnixNano())
	shared := proxy.Shared{Now: func() time.Time { return time.Unix(0, g.now.Load()) }, PublicURL: public, Signer: g.signer, Fail: plainFail{t}, Names: proxy.NewNames(st.upstreams, []string{"crmgate_session", "crmgate_attempt_*"})}
	for _, c := range st.upstreams {
		up, err := proxy.Open(c, shared)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(up.Close)
		g.upstreams = append(g.upstreams, up)
	}
	folded, err := policy.New(st.access.Fold())
	if err != nil {
		t.Fatal(err)
	}
	g.handler = &gateway.Handler{Rules: rules, Folded: folded, Routes: gateway.NewRoutes(g.upstreams), Sessions: g.sessions, Fail: plainFail{t}, Audit: g.events, PublicURL: public,
		Prefix: "/_gate", Own: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/_gate/auth" || strings.HasPrefix(r.URL.Path, "/_gate/auth/") {
				if err := g.handler.Forward(w, r); err != nil {
					plainFail{t}.Fail(w, r, err)
				}
				return
			}
			fmt.Fprintf(w, "own %s %s", r.URL.Path, r.URL.RawQuery)
		})}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	g.addr = listen(t, middleware.Bodies(20*time.Second, time.Minute, middleware.Origin(st.trusted, middleware.AccessLog(quiet, "/_gate", middleware.Recover(plainFail{t}, quiet, g.handler)))))
	return g
}

// listen serves h on a real socket and returns its address.
func listen(t testing.TB, h http.Handler) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, DisableGeneralOptionsHandler: true, ConnState: middleware.Hijacked, ErrorLog: slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)}
	go srv.Serve(middleware.Framing{Listener: ln}) // as package app does
	t.Cleanup(func() { srv.Close() })
	return ln.Addr().String()
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// raw sends bytes as they are and reads one answer.
func (g *gate) raw(request string) answer {
	g.t.Helper()
	c, err := net.DialTimeout("tcp", g.addr, time.Minute)
	if err != nil {
		g.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, request); err != nil {
		g.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		g.t.Fatalf("%q: %v", request, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatalf("%q: %v", request, err)
	}
	return answer{res, string(body)}
}

// get sends a request head made of a request line and header lines.
func (g *gate) get(line string, headers ...string) answer {
	g.t.Helper()
	return g.raw(line + " HTTP/1.1\r\nHost: crm.example.com\r\nConnection: close\r\n" + strings.Join(append(headers, "", ""), "\r\n"))
}

const asAnn = "Cookie: crmgate_session=ann"

// recording is an upstream that keeps the bytes it was sent and says yes to everything.
type recording struct {
	url string
	mu  sync.Mutex
	all [][]byte
}

func record(t testing.TB) *recording {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	rec := &recording{url: "http://" + ln.Addr().String()}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go rec.serve(c)
		}
	}()
	return rec
}

// serve reads one request: a head, and a chunked body with its trailers where the head announces one.
func (rec *recording) serve(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	var got []byte
	in := bufio.NewReader(c)
	end := []byte("\r\n\r\n")
	for {
		b, err := in.ReadByte()
		if err != nil {
			return
		}
		if got = append(got, b); !bytes.HasSuffix(got, end) {
			continue
		}
		if bytes.Contains(got, []byte("chunked")) && !bytes.Contains(got, []byte("\r\n0\r\n")) {
			end = []byte("\r\n\r\n")
			continue
		}
		break
	}
	rec.mu.Lock()
	rec.all = append(rec.all, got)
	rec.mu.Unlock()
	io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
}

// seen is one request as the upstream got it.
type seen struct {
	raw, line string
	header    http.Header
}

// take returns what came since the last take.
func (rec *recording) take(t testing.TB) []seen {
	t.Helper()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	var out []seen
	for _, b := range rec.all {
		head, _, _ := strings.Cut(string(b), "\r\n\r\n")
		line, fields, _ := strings.Cut(head, "\r\n")
		s := seen{raw: string(b), line: line, header: http.Header{}}
		for f := range strings.SplitSeq(fields, "\r\n") {
			name, value, _ := strings.Cut(f, ": ")
			s.header[name] = append(s.header[name], value) // the name as it came, not made canonical
		}
		out = append(out, s)
	}
	rec.all = nil
	return out
}

// one returns the only request since the last take.
func (rec *recording) one(t testing.TB) seen {
	t.Helper()
	all := rec.take(t)
	if len(all) != 1 {
		t.Fatalf("the upstream got %d requests, want one", len(all))
	}
	return all[0]
}
