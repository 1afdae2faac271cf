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
	"slices"
	"strings"
	"sync"
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
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
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
				time.Sleep(5 * time.Millisecond) // loopback delivers at once; a little more for a slow machine
				got, err := ask(t.Context(), c, method)
				if err != nil || strings.Contains(got.Body, "poison") || s.connections.Load() != 2 {
					t.Errorf("second answer = %+v, %v over %d connections", got, err, s.connections.Load())
				}
			})
		}
	}
}

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
		for range 100 { // byte by byte wins no time
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
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
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

// memory is a connection that has been read and written already.
type memory struct {
	net.Conn
	in *bytes.Reader
}

func (m memory) Read(p []byte) (int, error)      { return m.in.Read(p) }
func (m memory) Write(p []byte) (int, error)     { return len(p), nil }
func (m memory) Close() error                    { return nil }
func (m memory) SetReadDeadline(time.Time) error { return nil }

// FuzzAnswer holds this package against net/http: what is read here is read there in the same way and to the same end.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\nrest",
		"HTTP/1.0 404 \r\n\r\nbody", "HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 304 N\r\nContent-Length: 3\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		in := bytes.NewReader(data)
		c := &Client{MaxHead: 1 << 20, Dial: func(context.Context) (net.Conn, error) { return memory{in: in}, nil }}
		var h Head
		h.Start(method, "/", "h")
		header := http.Header{}
		a, err := c.Do(t.Context(), &h, header, nil)
		if err != nil {
			return
		}
		keep := a.keep
		body, bodyErr := io.ReadAll(struct{ io.Reader }{a})
		left := in.Len() + a.conn.w - a.conn.r
		trailer := a.Trailer
		a.Close()

		std := bufio.NewReader(bytes.NewReader(data))
		req := httptest.NewRequest(method, "/", nil)
		res, err := http.ReadResponse(std, req)
		for err == nil && res.StatusCode < 200 {
			res, err = http.ReadResponse(std, req)
		}
		if err != nil {
			t.Fatalf("net/http does not read it: %v", err)
		}
		want, wantErr := io.ReadAll(res.Body)
		if a.Status != res.StatusCode || !bytes.Equal(body, want) && bodyErr == nil || (bodyErr == nil) != (wantErr == nil) && bodyErr == nil {
			t.Fatalf("read %d %q %v, net/http %d %q %v", a.Status, body, bodyErr, res.StatusCode, want, wantErr)
		}
		if bodyErr != nil {
			return
		}
		if keep && res.Close {
			t.Error("the connection would be kept; net/http closes it")
		}
		if rest, _ := io.ReadAll(std); keep && len(rest) != left {
			t.Errorf("%d bytes are left, with net/http %d", left, len(rest))
		}
		for name, values := range res.Header {
			if !slices.Equal(values, header[name]) {
				t.Errorf("%s = %q, net/http %q", name, header[name], values)
			}
		}
		if len(trailer) != len(res.Trailer) {
			t.Errorf("trailers = %v, net/http %v", trailer, res.Trailer)
		}
	})
}
