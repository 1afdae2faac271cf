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

// told writes the reason of an error.
type told struct{}

func (told) Fail(w http.ResponseWriter, _ *http.Request, err error) {
	w.WriteHeader(http.StatusUnauthorized)
	io.WriteString(w, err.Error())
}

// TestWaitingEndsWithTheSession asks a CRM that never answers, by both ways to it and with a body that never ends: when the session ends nobody
// waits any longer, and the CRM is told.
func TestWaitingEndsWithTheSession(t *testing.T) {
	for _, tc := range []struct {
		name, method, body string
		fast               bool
	}{
		{"the short way", "GET", "\r\n", true},
		{"the standard way", "GET", "\r\n", false},
		{"an upload", "POST", "Content-Length: 100\r\n\r\nbegin", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked, left := make(chan struct{}), make(chan struct{})
			crm, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { crm.Close() })
			var connections atomic.Int32
			go func() {
				for {
					c, err := crm.Accept()
					if err != nil {
						return
					}
					if connections.Add(1) > 1 {
						t.Error("the CRM was asked again")
					}
					c.Read(make([]byte, 1000))
					close(asked)
					io.Copy(io.Discard, c)
					close(left)
					c.Close()
				}
			}()
			cfg := Config{}.Default()
			cfg.ID, cfg.URLs, cfg.FastGet, cfg.Identity.Assertion.Enabled = "crm", []string{"http://" + crm.Addr().String()}, tc.fast, false
			u, err := Open(cfg, Shared{PublicURL: &url.URL{Scheme: "http", Host: "a"}, Names: NewNames([]Config{cfg}, nil), Fail: told{},
				Alive: func(context.Context, string) (bool, error) { return true, nil }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(u.Close)
			id, err := u.Identify(Person{ID: "1", Session: "s1", Binding: "b"})
			if err != nil {
				t.Fatal(err)
			}
			gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.NewResponseController(w).EnableFullDuplex() // or the server waits for the body before it says anything
				path, _ := Canonical(r)
				u.Serve(w, r, path, id)
			}))
			t.Cleanup(gate.CloseClientConnections)
			go func() { <-asked; time.Sleep(20 * time.Millisecond); u.flights.end("s1") }()
			c, err := net.Dial("tcp", gate.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			io.WriteString(c, tc.method+" /x HTTP/1.1\r\nHost: a\r\n"+tc.body)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusUnauthorized {
				t.Errorf("status %d", res.StatusCode)
			}
			select {
			case <-left:
			case <-time.After(time.Minute):
				t.Error("the CRM still works for it")
			}
		})
	}
}
