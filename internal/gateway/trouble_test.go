package gateway_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestUpstreamTrouble(t *testing.T) {
	slow := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	}))
	odd := answering(t, map[string]string{"/": "SSH-2.0-OpenSSH_9.2\n", "/101": "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: h2c\n\n", "/empty": "",
		"/099": "HTTP/1.1 099 Odd\nContent-Length: 0\n\n"})
	for _, tc := range []struct {
		name, upstream, path string
		status               int
		text                 string
	}{
		{"down", dead(t), "/", 502, "unreachable: The application behind this address does not answer"},
		{"slow", "http://" + slow, "/", 504, "timeout: The application behind this address took too long"},
		{"no HTTP", odd, "/", 502, "unreachable"},
		{"no answer", odd, "/empty", 502, "unreachable"},
		{"an upgrade that nobody asked for", odd, "/101", 502, "unreachable"},
		{"no status", odd, "/099", 502, "unreachable"},
		{"https where there is none", strings.Replace(odd, "http:", "https:", 1), "/", 502, "unreachable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := guard(t, tc.upstream, func(s *setup) {
				if tc.name == "slow" { // no other may run into it on a busy machine
					s.upstreams[0].Timeouts.ResponseHeader = 200 * time.Millisecond
				}
			})
			res := g.get("GET "+tc.path, asAnn)
			if res.StatusCode != tc.status || !strings.Contains(res.body, tc.text) || strings.Contains(res.body, "127.0.0.1") {
				t.Errorf("status %d: %s", res.StatusCode, res.body)
			}
			ws := g.get("GET "+tc.path, asAnn, "Connection: Upgrade", "Upgrade: websocket")
			if ws.StatusCode != tc.status {
				t.Errorf("WebSocket: status %d: %s", ws.StatusCode, ws.body)
			}
		})
	}
}

func TestBrokenAnswerIsCutOff(t *testing.T) {
	up := answering(t, map[string]string{"/length": "HTTP/1.1 200 OK\nContent-Length: 100\n\nonly this", "/chunked": "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n"})
	g := guard(t, up, nil)
	for _, path := range []string{"/length", "/chunked"} {
		c, in := g.dial()
		io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: crm.example.com\r\n"+asAnn+"\r\n\r\n")
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			continue // cut off before the head was sent
		}
		if body, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%s: half an answer looks whole: %q", path, body)
		}
	}
}

func TestBrokenUploadIsNotTheCRMsFault(t *testing.T) {
	up := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	res := guard(t, "http://"+up, nil).raw("POST /x HTTP/1.1\r\nHost: crm.example.com\r\nTransfer-Encoding: chunked\r\n" + asAnn + "\r\n\r\n5\r\nhello\r\nnonsense\r\n")
	if res.StatusCode != 400 || !strings.Contains(res.body, "upload: ") {
		t.Errorf("status %d: %s", res.StatusCode, res.body)
	}
}

func TestClientThatLeavesEndsTheRequest(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	up := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		close(ended)
	}))
	g := guard(t, "http://"+up, nil)
	c, _ := g.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: crm.example.com\r\n"+asAnn+"\r\n\r\n")
	<-started
	c.Close()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the CRM still works for nobody")
	}
}

func TestIdleConnectionThatTheCRMClosedIsReplaced(t *testing.T) {
	var conns, closed atomic.Int32
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{IdleTimeout: time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}),
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed:
				closed.Add(1)
			}
		}}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	g := guard(t, "http://"+ln.Addr().String(), nil)
	for range 3 {
		if res := g.get("POST /x", asAnn, "Content-Length: 0"); res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, res.body)
		}
		wait(t, func() bool { return closed.Load() == conns.Load() })
	}
	if n := conns.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}
