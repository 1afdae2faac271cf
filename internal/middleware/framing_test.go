package middleware

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// slicesConn is a connection that is read in pieces of a size.
type slicesConn struct {
	net.Conn
	b    []byte
	size int
}

func (c *slicesConn) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.b[:min(len(c.b), c.size)])
	c.b = c.b[n:]
	return n, nil
}

const head = "GET /x HTTP/1.1\r\nHost: a\r\n"

func TestFraming(t *testing.T) {
	long := "X-Long: " + strings.Repeat("x", 500) + "\r\n"
	for _, tc := range []struct {
		name, send string
		// passes is how much goes through; -1 is everything.
		passes int
	}{
		{"plain", head + "\r\n", -1},
		{"two", head + "\r\n" + head + long + "\r\n", -1},
		{"a body", "POST /x HTTP/1.1\r\nContent-Length: 7\r\n\r\na\nb\n c\n" + head + "\r\n", -1},
		{"a body of nothing", "POST /x HTTP/1.1\r\ncontent-length:0\r\n\r\n" + head + "\r\n", -1},
		{"chunks", "POST /x HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\n\n\n\n\n\n\r\nA \r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n" + head + "\r\n", -1},
		{"an old version", "POST /x HTTP/1.0\r\nContent-Length: 2\r\n\r\nab" + head + "\r\n", -1},
		{"chunks of an old version", "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 18 + 27},
		{"chunks of an old version, long", "POST /" + strings.Repeat("x", 300) + " HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 317 + 27},
		{"chunks, long", "POST /" + strings.Repeat("x", 300) + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + head + "\r\n", -1},
		{"what follows a request for an upgrade", "GET /x HTTP/1.1\r\nUpgrade: websocket\r\n\r\n" + "GET /y HTTP/1.1\nX: a\r\n\r\n", 17 + 20 + 2 + 15},
		{"a bare LF after the request line", "GET /x HTTP/1.1\nHost: a\r\n\r\n", 15},
		{"a bare LF after a field", "GET /x HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 24},
		{"a bare LF for the end", "GET /x HTTP/1.1\r\nHost: a\r\n\n", 26},
		{"a bare LF after a long field", head + strings.TrimSuffix(long, "\r\n") + "\n\r\n", len(head) + len(long) - 2},
		{"a bare LF in the second request", head + "\r\n" + "GET /y HTTP/1.1\nX: a\r\n\r\n", len(head) + 2 + 15},
		{"a folded line", head + " b\r\n\r\n", len(head)},
		{"a folded line by a tab", head + "\tb\r\n\r\n", len(head)},
		{"a folded line in a trailer", "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n", 18 + 28 + 2 + 3 + 6},
		{"a bare LF in a trailer", "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n", 18 + 28 + 2 + 3 + 4},
		{"a bare LF after a size", "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello", 18 + 28 + 2 + 1},
		{"a size that is none", "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello", 18 + 28 + 2 + 4},
		{"a negative size", "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello", 18 + 28 + 2 + 3},
		{"two lengths", "POST /x HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 18 + 19 + 18},
		{"a list of lengths", "POST /x HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello", 18 + 21},
		{"a signed length", "POST /x HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", 18 + 19},
		{"a length behind zeros", "POST /x HTTP/1.1\r\nContent-Length: " + strings.Repeat("0", 20) + "5\r\n\r\nhello" + head + "\r\n", -1},
		{"a length behind more zeros than are looked at", "POST /x HTTP/1.1\r\nContent-Length: " + strings.Repeat("0", 90) + "5\r\n\r\nhello", 18 + 16 + 91 + 1},
		{"a length that is none", "POST /x HTTP/1.1\r\nContent-Length:\r\n\r\nhello", 18 + 16},
		{"a length and chunks", "POST /x HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 18 + 19 + 28 + 1},
		{"two codings", "POST /x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 18 + 33},
		{"two lines of codings", "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 18 + 28 + 27},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := tc.send
			if tc.passes >= 0 {
				want = tc.send[:tc.passes] + spoiled
			}
			for _, size := range []int{1, 2, 3, 7, 64, 4096} { // however it comes in
				got, err := io.ReadAll(&framedConn{Conn: &slicesConn{b: []byte(tc.send), size: size}})
				if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
					t.Errorf("in pieces of %d: %v%s", size, err, diff)
				}
			}
		})
	}
}

// framingServer starts a server behind a listener with these checks; it notes what it served. Over TLS where secure, with patience for the
// handshake.
func framingServer(t *testing.T, secure bool, patience time.Duration) (dial func(protocols ...string) net.Conn, served func() string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var list []string
	srv := &http.Server{ConnState: Hijacked, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "echo" {
			c, in, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
			io.Copy(c, in)
			c.Close()
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(400)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		list = append(list, fmt.Sprint(r.URL.Path, string(body), r.TLS != nil, r.ProtoMajor))
	})}
	var listener net.Listener = Framing{ln}
	address := ln.Addr().String()
	if secure {
		some := httptest.NewUnstartedServer(nil)
		some.StartTLS() // for its certificate
		t.Cleanup(some.Close)
		listener = &SecureFraming{Listener: ln, Config: &tls.Config{Certificates: some.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}, Timeout: patience}
	}
	go srv.Serve(listener)
	t.Cleanup(func() { srv.Close() })
	return func(protocols ...string) net.Conn {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			c.SetDeadline(time.Now().Add(time.Minute))
			if secure && protocols == nil {
				return tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			} else if secure {
				return tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
			}
			return c
		}, func() string {
			mu.Lock()
			defer mu.Unlock()
			defer func() { list = nil }()
			return fmt.Sprint(list)
		}
}

// TestFramingIsRefused sends to a server what must not pass, after a good request on the same connection: it answers 400 and hangs up.
func TestFramingIsRefused(t *testing.T) {
	for _, secure := range []bool{false, true} {
		dial, served := framingServer(t, secure, time.Hour)
		for _, bad := range []string{
			"GET /bad HTTP/1.1\nHost: a\n\n", "GET /bad HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "GET /bad HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
			"POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
			"POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
			"POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
		} {
			c := dial()
			io.WriteString(c, "POST /good HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n\n\n"+bad+"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n")
			in := bufio.NewReader(c)
			var got []int
			for {
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					break
				}
				io.Copy(io.Discard, res.Body)
				got = append(got, res.StatusCode)
			}
			if is, want := fmt.Sprintf("%v %s", got, served()), fmt.Sprintf("[200 400] [/good\n\n%v 1]", secure); is != want {
				t.Errorf("%q: %q, want %q", bad, is, want)
			}
		}
	}
}

// TestHijackedConnectionsAreFree takes a connection for something else than HTTP; what then comes is nobody's business.
func TestHijackedConnectionsAreFree(t *testing.T) {
	for _, secure := range []bool{false, true} {
		dial, _ := framingServer(t, secure, time.Hour)
		c := dial("http/1.1")
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		in := bufio.NewReader(c)
		if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != 101 {
			t.Fatal(res, err)
		}
		const bytes = "\n\n \n\x00\r\n b\n"
		io.WriteString(c, bytes)
		got := make([]byte, len(bytes))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != bytes {
			t.Errorf("over TLS %v: %q, %v", secure, got, err)
		}
	}
}

// TestSecureFramingServesTheRest: HTTP/2 goes on as it is, a client without TLS is told so, one that says nothing holds up nobody and
// is given up.
func TestSecureFramingServesTheRest(t *testing.T) {
	dial, served := framingServer(t, true, time.Hour)
	dial("http/1.1") // and says nothing
	client := http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		c := dial("h2").(*tls.Conn)
		return c, c.Handshake()
	}}}
	res, err := client.Get("https://a/two")
	if err != nil || res.ProtoMajor != 2 {
		t.Fatal(res, err)
	}
	res.Body.Close()
	if got := served(); got != "[/twotrue 2]" {
		t.Error(got)
	}
	plain := dial("http/1.1").(*tls.Conn).NetConn()
	io.WriteString(plain, head+"\r\n")
	if got, _ := io.ReadAll(plain); !strings.HasPrefix(string(got), "HTTP/1.0 400 ") {
		t.Errorf("without TLS: %q", got)
	}
	impatient, _ := framingServer(t, true, 100*time.Millisecond)
	silent := impatient("http/1.1").(*tls.Conn).NetConn()
	if n, err := silent.Read(make([]byte, 100)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a client that says nothing: %d bytes, %v", n, err)
	}
}

// FuzzFraming sends the same bytes in one piece and byte by byte: what passes must not depend on it, and must be a beginning of what
// was sent.
func FuzzFraming(f *testing.F) {
	f.Add([]byte(head+"\r\n"+head+"\r\n"), 3)
	f.Add([]byte("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"+head), 1)
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n a\r\n\r\n"), 5)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		whole, _ := io.ReadAll(&framedConn{Conn: &slicesConn{b: bytes.Clone(b), size: 1 << 20}})
		pieces, _ := io.ReadAll(&framedConn{Conn: &slicesConn{b: bytes.Clone(b), size: max(1, size%100)}})
		if !bytes.Equal(whole, pieces) {
			t.Errorf("%q: whole %q, in pieces %q", b, whole, pieces)
		}
		if passed := bytes.TrimSuffix(whole, []byte(spoiled)); !bytes.HasPrefix(b, passed) {
			t.Errorf("%q became %q", b, whole)
		}
	})
}
