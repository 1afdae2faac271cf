package wire

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// memory is a connection that has been read and written already.
type memory struct {
	net.Conn
	in *bytes.Reader
}

func (m memory) Read(p []byte) (int, error) { return m.in.Read(p) }

func (m memory) Write(p []byte) (int, error) { return len(p), nil }

func (m memory) Close() error { return nil }

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
