package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// openAt opens an upstream in front of a CRM, with a clock of the test's.
func openAt(t *testing.T, crm string, fast bool, alive Alive, now func() time.Time) *Upstream {
	t.Helper()
	cfg := Config{}.Default()
	cfg.ID, cfg.URLs, cfg.FastGet, cfg.Identity.Assertion.Enabled = "crm", []string{crm}, fast, false
	u, err := Open(cfg, Shared{PublicURL: &url.URL{Scheme: "http", Host: "a"}, Names: NewNames([]Config{cfg}, nil), Fail: told{}, Alive: alive, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// TestClientThatTakesNothing is sent more than fits anywhere: a look after the one that ended its session nobody waits for it any more.
func TestClientThatTakesNothing(t *testing.T) {
	for _, tc := range []struct {
		name     string
		fast, h2 bool
		head     string
	}{
		{"the short way", true, false, "\r\n"},
		{"the standard way", false, false, "\r\n"},
		{"an upgrade that is refused", false, false, "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{"HTTP/2", true, true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var written atomic.Int64
			crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for part := make([]byte, 1<<16); ; written.Add(1) {
					if _, err := w.Write(part); err != nil {
						return
					}
				}
			}))
			t.Cleanup(crm.Close)
			u := openAt(t, crm.URL, tc.fast, func(context.Context, string) (bool, error) { return false, nil },
				func() time.Time { return time.Now().Add(-time.Minute) }) // old enough to be looked at
			id, err := u.Identify(Person{ID: "1", Session: "s1", Binding: "b"})
			if err != nil {
				t.Fatal(err)
			}
			over := make(chan struct{})
			gate := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(over)
				path, _ := Canonical(r)
				u.Serve(w, r, path, id)
			}))
			if gate.EnableHTTP2 = tc.h2; tc.h2 {
				gate.StartTLS()
				res, err := gate.Client().Get(gate.URL + "/x")
				if err != nil || res.ProtoMajor != 2 {
					t.Fatal(res, err)
				}
				defer res.Body.Close()
			} else {
				gate.Start()
				c, err := net.Dial("tcp", gate.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				io.WriteString(c, "GET /x HTTP/1.1\r\nHost: a\r\n"+tc.head)
				if _, err := bufio.NewReaderSize(c, 16).ReadByte(); err != nil {
					t.Fatal(err)
				}
			}
			t.Cleanup(func() { gate.CloseClientConnections(); gate.Close() })
			for before := int64(-1); written.Load() != before; { // until everything between the two is full
				before = written.Load()
				time.Sleep(200 * time.Millisecond)
			}
			u.flights.look()
			u.flights.look()
			select {
			case <-over:
			case <-time.After(time.Minute):
				t.Error("it is waited for")
			}
		})
	}
}

// TestShortWayIsTriedAgain meets one answer that cannot be read on the short way.
func TestShortWayIsTriedAgain(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/odd" {
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		c.Close()
	}))
	t.Cleanup(crm.Close)
	u := openAt(t, crm.URL, true, nil, func() time.Time { return time.Unix(0, now.Load()) })
	short := func() bool {
		return u.pool.endpoints[0].short.suits(httptest.NewRequest(http.MethodGet, "/", nil), u)
	}
	ask := func(target string) int {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil)
		r.RequestURI = target
		path, err := Canonical(r)
		if err != nil {
			t.Fatal(err)
		}
		u.Serve(w, r, path, nil)
		return w.Code
	}
	if !short() {
		t.Fatal("off from the beginning")
	}
	for range 2 {
		if code := ask("/odd"); code != http.StatusOK || short() {
			t.Fatalf("after an odd answer: status %d, still on: %t", code, short())
		}
		now.Add(int64(shortOff - time.Second))
		if short() {
			t.Error("on again too early")
		}
		now.Add(int64(time.Second))
		if !short() {
			t.Error("off for ever")
		}
	}
}

// HTTP/1.0 knows no upgrade (RFC 9110, 7.8), and neither may a proxy in front that speaks it.
func TestNoWebSocketInHTTP10(t *testing.T) {
	for minor, want := range []bool{false, true} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.ProtoMinor = minor
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
		if got := webSocket(r); got != want {
			t.Errorf("HTTP/1.%d: %t, want %t", minor, got, want)
		}
	}
}
