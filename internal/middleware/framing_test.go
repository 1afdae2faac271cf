package middleware

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
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
		{"a WebSocket", "GET /x HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\n\n \n", -1},
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

// TestFramingIsRefused sends to a server what must not pass, after a good request on the same connection: it answers 400 and hangs up.
func TestFramingIsRefused(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served []string
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(400)
			return
		}
		served = append(served, r.URL.Path+string(body))
	})}
	go srv.Serve(Framing{ln})
	t.Cleanup(func() { srv.Close() })
	for _, bad := range []string{
		"GET /bad HTTP/1.1\nHost: a\n\n", "GET /bad HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "GET /bad HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
		"POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
		"POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
	} {
		served = nil
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\n\n"+bad+"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n")
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
		if fmt.Sprint(got, served) != "[200 400] [/good\n\n]" {
			t.Errorf("%q: %v, served %q", bad, got, served)
		}
		c.Close()
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
