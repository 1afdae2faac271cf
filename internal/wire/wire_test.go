package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// server counts the connections it is asked over.
type server struct {
	addr        string
	connections atomic.Int32
}

func serve(t *testing.T, handle func(conn net.Conn, n int)) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: ln.Addr().String()}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			n := int(s.connections.Add(1))
			go func() { defer c.Close(); handle(c, n) }()
		}
	}()
	return s
}

// script answers each request of a connection with the next text.
func script(t *testing.T, answers ...string) *server {
	return serve(t, func(c net.Conn, _ int) {
		in := bufio.NewReader(c)
		for _, a := range answers {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			io.WriteString(c, a)
		}
		http.ReadRequest(in) // waits for the client
	})
}

func newClient(t *testing.T, addr string) *Client {
	c := &Client{HeadTimeout: 2 * time.Second, MaxHead: 64 << 10, MaxIdle: 8, IdleTimeout: time.Minute,
		Dial: func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", addr) }}
	t.Cleanup(c.Close)
	return c
}

type result struct {
	Status  int
	Header  http.Header
	Body    string
	Trailer http.Header
}

func ask(ctx context.Context, c *Client, method string) (result, error) {
	var h Head
	h.Start(method, "/x", "crm.example.com")
	h.Add("Accept", "*/*")
	header := http.Header{}
	a, err := c.Do(ctx, &h, header, nil)
	if err != nil {
		return result{}, err
	}
	defer a.Close()
	body, err := io.ReadAll(struct{ io.Reader }{a})
	return result{a.Status, header, string(body), a.Trailer}, err
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name, method, answer string
		want                 result
		kept                 bool
	}{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-a: 1\r\nX-A:  2 \r\n\r\nhello",
			result{200, http.Header{"Content-Length": {"5"}, "X-A": {"1", "2"}}, "hello", nil}, true},
		{"no reason", "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", result{200, http.Header{"Content-Length": {"0"}}, "", nil}, true},
		{"chunks and trailers", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n",
			result{200, http.Header{"Transfer-Encoding": {"chunked"}}, "abc0123456789", http.Header{"X-Sum": {"7"}}}, true},
		{"until close", "GET", "HTTP/1.0 200 OK\r\n\r\nhello", result{200, http.Header{}, "hello", nil}, false},
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", result{200, http.Header{"Content-Length": {"5000"}}, "", nil}, true},
		{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\nEtag: \"1\"\r\n\r\n",
			result{304, http.Header{"Content-Length": {"5000"}, "Etag": {`"1"`}}, "", nil}, true},
		{"no content", "GET", "HTTP/1.1 204 No Content\r\n\r\n", result{204, http.Header{}, "", nil}, true},
		{"asked to close", "GET", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok",
			result{200, http.Header{"Connection": {"x, Close"}, "Content-Length": {"2"}}, "ok", nil}, false},
		{"early hints", "GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
			result{200, http.Header{"Content-Length": {"2"}}, "ok", nil}, true},
		{"obs-text", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-B: \xe4\r\n\r\n", result{200, http.Header{"Content-Length": {"0"}, "X-B": {"\xe4"}}, "", nil}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			closing := !tt.kept
			s := serve(t, func(c net.Conn, _ int) {
				in := bufio.NewReader(c)
				for {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					io.WriteString(c, tt.answer)
					if closing {
						return
					}
				}
			})
			c := newClient(t, s.addr)
			for range 3 {
				got, err := ask(t.Context(), c, tt.method)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Error(d)
				}
			}
			want := int32(1)
			if closing {
				want = 3
			}
			if n := s.connections.Load(); n != want {
				t.Errorf("%d connections, want %d", n, want)
			}
		})
	}
}

// TestUnusual are answers that two readers could end at different places. None may be taken, and no connection kept.
func TestUnusual(t *testing.T) {
	tests := []struct{ name, answer string }{
		{"length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
		{"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
		{"list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"},
		{"signed length", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"},
		{"hex length", "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello"},
		{"huge length", "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\nhello"},
		{"empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello"},
		{"other coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
		{"two codings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"chunks in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"},
		{"bare LF within", "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\nhello"},
		{"bare CR", "HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\nhello"},
		{"folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"},
		{"space before colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"},
		{"no colon", "HTTP/1.1 200 OK\r\nfoo\r\n\r\n"},
		{"no name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"},
		{"NUL", "HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n"},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n"},
		{"two digits", "HTTP/1.1 20 OK\r\n\r\n"},
		{"four digits", "HTTP/1.1 2000 OK\r\n\r\n"},
		{"other protocol", "SSH-2.0-OpenSSH_9\r\n\r\n"},
		{"switches", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"},
		{"early with a body", "HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\nhello"},
		{"early without end", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := script(t, tt.answer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			c := newClient(t, s.addr)
			for n := range int32(2) {
				if got, err := ask(t.Context(), c, "GET"); !errors.Is(err, ErrUnusual) {
					t.Errorf("answer = %+v, %v; want ErrUnusual", got, err)
				}
				if s.connections.Load() != n+1 {
					t.Errorf("the connection was kept")
				}
			}
		})
	}
}

// TestBrokenBodies begin well and must not look whole.
func TestBrokenBodies(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	tests := []struct{ name, answer string }{
		{"too short", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"},
		{"no last chunk", chunked + "5\r\nhello\r\n"},
		{"chunk too long", chunked + "5\r\nhello!\r\n0\r\n\r\n"},
		{"no size", chunked + "\r\nhello\r\n0\r\n\r\n"},
		{"negative size", chunked + "-5\r\nhello\r\n0\r\n\r\n"},
		{"huge size", chunked + "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"},
		{"bare LF after size", chunked + "5\nhello\r\n0\r\n\r\n"},
		{"bare CR in extension", chunked + "5;a\rb\r\nhello\r\n0\r\n\r\n"},
		{"endless extension", chunked + "5;" + strings.Repeat("a", 9000)},
		{"bad trailer", chunked + "0\r\nfoo bar\r\n\r\n"},
		{"no end", chunked + "0\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(c net.Conn, _ int) {
				http.ReadRequest(bufio.NewReader(c))
				io.WriteString(c, tt.answer)
			})
			c := newClient(t, s.addr)
			got, err := ask(t.Context(), c, "GET")
			if err == nil || errors.Is(err, io.EOF) {
				t.Errorf("answer = %+v, %v; want an error that is not io.EOF", got, err)
			}
			if len(c.idle) != 0 {
				t.Error("the connection was kept")
			}
		})
	}
}

// TestUnasked: what a server sends beyond its answer is nobody's answer, whether it comes with it or later.
// TestChunksAreNotHeldBack reads from a server that sends the end of a chunk with the next one.
func TestChunksAreNotHeldBack(t *testing.T) {
	next := make(chan struct{})
	s := serve(t, func(c net.Conn, _ int) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none")
		<-next
		io.WriteString(c, "\r\n3\r\ntwo\r\n0\r\n\r\n")
	})
	var h Head
	h.Start("GET", "/x", "crm.example.com")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	a, err := newClient(t, s.addr).Do(ctx, &h, http.Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	buf := make([]byte, 3)
	if _, err := io.ReadFull(a, buf); err != nil || string(buf) != "one" {
		t.Fatalf("the first chunk: %q, %v", buf, err)
	}
	close(next)
	if rest, err := io.ReadAll(struct{ io.Reader }{a}); err != nil || string(rest) != "two" {
		t.Errorf("the rest: %q, %v", rest, err)
	}
}

func TestUnasked(t *testing.T) {
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	for _, later := range []bool{false, true} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(fmt.Sprint(method, " later ", later), func(t *testing.T) {
				sent := make(chan struct{}, 2)
				s := serve(t, func(c net.Conn, n int) {
					in := bufio.NewReader(c)
					http.ReadRequest(in)
					body := "ok"
					if method == "HEAD" {
						body = ""
					}
					answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body
					if n > 1 {
						io.WriteString(c, answer)
						http.ReadRequest(in)
						return
					}
					if !later {
						answer += poison
					}
					io.WriteString(c, answer)
					if later {
						time.Sleep(20 * time.Millisecond)
						io.WriteString(c, poison)
					}
					sent <- struct{}{}
					http.ReadRequest(in)
				})
				c := newClient(t, s.addr)
				if _, err := ask(t.Context(), c, method); err != nil {
					t.Fatal(err)
				}
				<-sent
				heard := func() bool {
					c.mu.Lock()
					defer c.mu.Unlock()
					return len(c.idle) == 0 || !c.idle[len(c.idle)-1].ear.Quiet()
				}
				for end := time.Now().Add(time.Minute); !heard() && time.Now().Before(end); { // it was sent, and now it is here
					time.Sleep(time.Millisecond)
				}
				got, err := ask(t.Context(), c, method)
				if err != nil || strings.Contains(got.Body, "poison") || s.connections.Load() != 2 {
					t.Errorf("second answer = %+v, %v over %d connections", got, err, s.connections.Load())
				}
			})
		}
	}
}

func TestHeadBounds(t *testing.T) {
	s := serve(t, func(c net.Conn, _ int) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for range 10_000 {
			if _, err := io.WriteString(c, "X-A: "+strings.Repeat("a", 1000)+"\r\n"); err != nil {
				return
			}
		}
	})
	c := newClient(t, s.addr)
	if _, err := ask(t.Context(), c, "GET"); !errors.Is(err, errHeadTooLarge) {
		t.Errorf("err = %v, want errHeadTooLarge", err)
	}
	big := script(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: "+strings.Repeat("a", 40_000)+"\r\n\r\nok")
	if got, err := ask(t.Context(), newClient(t, big.addr), "GET"); err != nil || got.Body != "ok" || len(got.Header.Get("X-A")) != 40_000 {
		t.Errorf("a large head within bounds: %v", err)
	}
}

func TestInjection(t *testing.T) {
	c := newClient(t, script(t).addr)
	tests := []struct {
		name                      string
		method, target, host, key string
		value                     string
	}{
		{"value", "GET", "/", "h", "X", "a\r\nY: b"},
		{"value with NUL", "GET", "/", "h", "X", "a\x00"},
		{"name", "GET", "/", "h", "X: a\r\nY", "b"},
		{"empty name", "GET", "/", "h", "", "b"},
		{"target", "GET", "/ HTTP/1.1\r\nX: y", "h", "X", "a"},
		{"empty target", "GET", "", "h", "X", "a"},
		{"host", "GET", "/", "h\r\nX: y", "X", "a"},
		{"method", "POST", "/", "h", "X", "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h Head
			h.Start(tt.method, tt.target, tt.host)
			h.Add(tt.key, tt.value)
			if _, err := c.Do(t.Context(), &h, http.Header{}, nil); !errors.Is(err, errInjection) {
				t.Errorf("err = %v, want errInjection", err)
			}
		})
	}
	var l Lines
	if err := l.Add("X", "a\nb"); err == nil || l.Len() != 0 {
		t.Errorf("Lines took a line break: %v", err)
	}
}
