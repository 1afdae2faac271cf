package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestConnectionsAreReplaced(t *testing.T) {
	// Every connection is closed after one answer without saying so.
	s := serve(t, func(c net.Conn, _ int) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	c := newClient(t, s.addr)
	for range 20 {
		if got, err := ask(t.Context(), c, "GET"); err != nil || got.Body != "ok" {
			t.Fatalf("answer = %+v, %v", got, err)
		}
	}
}

func TestHeadTimeout(t *testing.T) {
	s := serve(t, func(c net.Conn, _ int) {
		for { // byte by byte wins no time
			if _, err := io.WriteString(c, "H"); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	c := newClient(t, s.addr)
	c.HeadTimeout = 50 * time.Millisecond
	_, err := ask(t.Context(), c, "GET")
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("err = %v, want a timeout", err)
	}
	if s.connections.Load() != 1 {
		t.Error("a slow server was asked again")
	}
}

func TestCancel(t *testing.T) {
	for _, begun := range []bool{false, true} {
		t.Run(fmt.Sprint("answer begun ", begun), func(t *testing.T) {
			asked, gone := make(chan struct{}), make(chan struct{})
			s := serve(t, func(c net.Conn, _ int) {
				in := bufio.NewReader(c)
				http.ReadRequest(in)
				if begun {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
				}
				close(asked)
				io.Copy(io.Discard, in)
				close(gone)
			})
			c := newClient(t, s.addr)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-asked; cancel() }()
			if _, err := ask(ctx, c, "GET"); err == nil {
				t.Error("no error")
			}
			<-gone // the connection ends with the request
		})
	}
}

// TestManyAtOnce asks a real server in parallel; each gets the answer to its own question.
func TestManyAtOnce(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := strings.Repeat(r.URL.Path+";", 1+len(r.URL.Path)*97%5000)
		if len(body)%2 == 0 {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	c := newClient(t, srv.Listener.Addr().String())
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 100 {
				var h Head
				path := fmt.Sprintf("/%d/%d", i, j)
				h.Start("GET", path, "h")
				a, err := c.Do(t.Context(), &h, http.Header{}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				var b bytes.Buffer
				if j%3 == 0 {
					_, err = a.WriteTo(&b)
				} else {
					_, err = io.Copy(&b, struct{ io.Reader }{a})
				}
				a.Close()
				if want := strings.Repeat(path+";", 1+len(path)*97%5000); err != nil || b.String() != want {
					t.Errorf("%s: %d bytes, %v; want %d", path, b.Len(), err, len(want))
				}
			}
		})
	}
	wg.Wait()
}

func TestIdle(t *testing.T) {
	s := serve(t, func(c net.Conn, _ int) {
		in := bufio.NewReader(c)
		for {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	c := newClient(t, s.addr)
	c.IdleTimeout = 30 * time.Millisecond
	if _, err := ask(t.Context(), c, "GET"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		c.mu.Lock()
		left := len(c.idle)
		c.mu.Unlock()
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an idle connection stays")
		}
	}
	c.Close()
	if _, err := ask(t.Context(), c, "GET"); err != nil || len(c.idle) != 0 {
		t.Errorf("after Close: %v, %d kept", err, len(c.idle))
	}
}
