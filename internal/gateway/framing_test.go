package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestFraming sends what has been used to make two servers disagree about where a request ends. The CRM may get one request, framed
// anew, or none; never the hidden one, and never a name that hides in another line.
func TestFraming(t *testing.T) {
	const hidden = "GET /hidden HTTP/1.1\r\nHost: crm.example.com\r\nX-Forwarded-User: evil\r\n\r\n"
	for _, tc := range []struct{ name, headers, body string }{
		{"length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden},
		{"two lengths", "Content-Length: 0\r\nContent-Length: 80\r\n", hidden},
		{"a list of lengths", "Content-Length: 0, 80\r\n", hidden},
		{"a signed length", "Content-Length: +0\r\n", hidden},
		{"two encodings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n" + hidden},
		{"another encoding", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n" + hidden},
		{"space before the colon", "Transfer-Encoding : chunked\r\n", "0\r\n\r\n" + hidden},
		{"tab in the encoding", "Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n" + hidden},
		{"chunk extension with a newline", "Transfer-Encoding: chunked\r\n", "0;a\nb\r\n\r\n" + hidden},
		{"bare newline between headers", "X-A: b\nX-Forwarded-User: evil\r\nContent-Length: 0\r\n", ""},
		{"bare return between headers", "X-A: b\rX-Forwarded-User: evil\r\nContent-Length: 0\r\n", ""},
		{"folded line", "X-A: b\r\n\tX-Forwarded-User: folded\r\nContent-Length: 0\r\n", ""},
		{"space before the colon of our header", "X-Forwarded-User : evil\r\nContent-Length: 0\r\n", ""},
		{"NUL in a name", "X-Forwarded\x00-User: evil\r\nContent-Length: 0\r\n", ""},
		{"two hosts", "Host: evil.test\r\nContent-Length: 0\r\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up := record(t) // of its own, so that what comes late is not the next one's
			c, in := guard(t, up.url, nil).dial()
			io.WriteString(c, "POST /public/x HTTP/1.1\r\nHost: crm.example.com\r\n"+asAnn+"\r\n"+tc.headers+"\r\n"+tc.body)
			drain(c, in)
			got := up.take(t)
			for _, s := range got {
				if strings.Contains(s.raw, "evil") || !strings.HasPrefix(s.line, "POST /public/x ") && !strings.HasPrefix(s.line, "GET /hidden ") {
					t.Errorf("the upstream got:\n%s", s.raw)
				}
				if n := len(s.header["Content-Length"]) + len(s.header["Transfer-Encoding"]); n > 1 {
					t.Errorf("framed twice:\n%s", s.raw)
				}
				if _, folded := s.header["\tX-Forwarded-User"]; folded {
					t.Errorf("a folded line:\n%s", s.raw)
				}
			}
			if len(got) > 1 {
				t.Errorf("%d requests", len(got))
			}
		})
	}
}

// drain reads answers until there are no more: the first one however long it takes, those that none should follow for a moment.
func drain(c net.Conn, in *bufio.Reader) {
	for {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return
		}
		c.SetDeadline(time.Now().Add(250 * time.Millisecond))
	}
}
