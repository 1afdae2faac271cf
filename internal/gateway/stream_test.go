package gateway_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dial opens a connection to the gateway.
func (g *gate) dial() (net.Conn, *bufio.Reader) {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c, bufio.NewReader(c)
}

// request makes a request of somebody signed in.
func (g *gate) request(method, path string, body io.Reader) *http.Request {
	g.t.Helper()
	r, err := http.NewRequest(method, "http://"+g.addr+path, body)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Cookie", "crmgate_session=ann")
	return r
}

func (g *gate) do(r *http.Request) *http.Response {
	g.t.Helper()
	tr := &http.Transport{DisableKeepAlives: true, DisableCompression: true, ExpectContinueTimeout: 10 * time.Second}
	res, err := tr.RoundTrip(r)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestServerSentEventsAreNotHeldBack(t *testing.T) {
	release := make(chan struct{})
	for _, tc := range []struct{ name, contentType, length string }{
		{"event stream", "text/event-stream; charset=utf-8", ""},
		{"unknown length", "application/json", ""},
		{"event stream with a length", "text/event-stream", "20"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tc.contentType)
				if tc.length != "" {
					w.Header().Set("Content-Length", tc.length)
				}
				rc := http.NewResponseController(w)
				rc.Flush()
				for range 2 {
					<-release
					io.WriteString(w, "data: xxxx")
					rc.Flush()
				}
			}))
			g := guard(t, "http://"+up, nil)
			res := g.do(g.request("GET", "/events", nil)) // returns with the head, before the first event exists
			buf := make([]byte, 10)
			for range 2 {
				release <- struct{}{}
				if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != "data: xxxx" {
					t.Fatalf("%q, %v", buf, err)
				}
			}
		})
	}
}

// zeros reads as n bytes of nothing.
func zeros(n int64) io.Reader { return io.LimitReader(nothing{}, n) }

type nothing struct{}

func (nothing) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestLargeBodiesStreamInLittleMemory(t *testing.T) {
	const size = 64 << 20
	up := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || r.Method == "POST" && n != size {
			http.Error(w, fmt.Sprint(n, err), 500)
			return
		}
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		io.Copy(w, zeros(size))
	}))
	g := guard(t, "http://"+up, nil)
	for _, tc := range []struct {
		name, method, path string
		length             int64
	}{
		{"download, known length", "GET", "/known", 0},
		{"download, chunked", "GET", "/unknown", 0},
		{"upload, known length", "POST", "/known", size},
		{"upload, chunked", "POST", "/known", -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r := g.request(tc.method, tc.path, nil)
			if tc.method == "POST" {
				r.Body, r.ContentLength = io.NopCloser(zeros(size)), tc.length
			}
			res := g.do(r)
			n, err := io.Copy(io.Discard, res.Body)
			if err != nil || n != size || res.StatusCode != 200 {
				t.Fatalf("status %d, %d bytes, %v", res.StatusCode, n, err)
			}
			runtime.ReadMemStats(&after)
			// Client and upstream run in this process as well; together they stay far below the size of the body.
			if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 8<<20 {
				t.Errorf("%d MB were allocated on the way", grown>>20)
			}
		})
	}
}

func TestWebSocket(t *testing.T) {
	up := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.Header.Get("X-Forwarded-User") != "account-1" || len(r.Header["X-Forwarded-Groups"]) != 1 || r.Header.Get("Cookie") != "a=1" {
			http.Error(w, fmt.Sprint(r.Header), 400)
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\nSet-Cookie: crmgate_session=evil\r\n"+
			"Set-Cookie: crm=1\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
		io.Copy(conn, buf)
	}))
	g := guard(t, "http://"+up, nil)
	const upgrade = "GET /ws HTTP/1.1\r\nHost: crm.example.com\r\nConnection: keep-alive, Upgrade, X-Forwarded-Groups\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-User: evil\r\n"
	for _, tc := range []struct {
		name, headers string
		status        int
	}{
		{"program", "Cookie: crmgate_session=ann; a=1\r\n", 101},
		{"our page", "Cookie: crmgate_session=ann; a=1\r\nOrigin: https://crm.example.com\r\n", 101},
		{"our page at the address it was asked for", "Cookie: crmgate_session=ann; a=1\r\nOrigin: http://crm.example.com\r\n", 101},
		{"foreign page", "Cookie: crmgate_session=ann; a=1\r\nOrigin: https://evil.test\r\n", 403},
		{"foreign page with our name in front", "Cookie: crmgate_session=ann; a=1\r\nOrigin: https://crm.example.com.evil.test\r\n", 403},
		{"other port", "Cookie: crmgate_session=ann; a=1\r\nOrigin: https://crm.example.com:8443\r\n", 403},
		{"sandboxed page", "Cookie: crmgate_session=ann; a=1\r\nOrigin: null\r\n", 403},
		{"two origins", "Cookie: crmgate_session=ann; a=1\r\nOrigin: https://crm.example.com\r\nOrigin: https://evil.test\r\n", 403},
		{"nobody", "Origin: https://crm.example.com\r\n", 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, in := g.dial()
			io.WriteString(c, upgrade+tc.headers+"\r\n")
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tc.status {
				body, _ := io.ReadAll(res.Body)
				t.Fatalf("status %d: %s", res.StatusCode, body)
			}
			if tc.status != 101 {
				return
			}
			if got := res.Header["Set-Cookie"]; !slices.Equal(got, []string{"crm=1"}) || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
				t.Errorf("head %v", res.Header)
			}
			buf := make([]byte, 8)
			for _, frame := range []string{"\x81\x82\x00\x00\x00\x00hi", "\x81\x82\x00\x00\x00\x00ho"} {
				io.WriteString(c, frame)
				if _, err := io.ReadFull(in, buf[:len(frame)]); err != nil || string(buf[:len(frame)]) != frame {
					t.Fatalf("%q, %v", buf, err)
				}
			}
		})
	}
}

func TestOtherUpgradesAreNotPassed(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	for _, headers := range []string{
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
		"Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
		"Upgrade: websocket\r\n",
	} {
		if res := g.raw("GET /x HTTP/1.1\r\nHost: crm.example.com\r\n" + asAnn + "\r\n" + headers + "\r\n"); res.StatusCode != 200 {
			t.Errorf("%q: status %d", headers, res.StatusCode)
		}
		got := up.one(t)
		for _, name := range []string{"Upgrade", "Connection", "Http2-Settings"} {
			if v, ok := got.header[name]; ok {
				t.Errorf("%q: %s: %q was passed on", headers, name, v)
			}
		}
	}
}

// answering is an upstream that answers each path with fixed bytes.
func answering(t testing.TB, answers map[string]string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				io.WriteString(c, strings.ReplaceAll(answers[r.URL.Path], "\n", "\r\n"))
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

func TestAnswersPassAsTheyAre(t *testing.T) {
	var cookies strings.Builder
	var want []string
	for i := range 20 {
		c := fmt.Sprintf("c%d=\"v %d\"; Path=/; Expires=Wed, 21 Oct 2065 07:28:00 GMT", i, i)
		want = append(want, c)
		cookies.WriteString("Set-Cookie: " + c + "\n")
		if i == 7 {
			cookies.WriteString("Set-Cookie: crmgate_session=evil; Path=/\nSet-Cookie: CRMGATE_Session = evil\nSet-Cookie: crmgate_attempt_9=; Max-Age=0\nSet-Cookie: =crmgate_session=evil\n")
		}
	}
	up := answering(t, map[string]string{
		"/cookies":  "HTTP/1.1 200 OK\n" + cookies.String() + "Content-Length: 0\n\n",
		"/head":     "HTTP/1.1 200 OK\nContent-Length: 1234\nContent-Type: text/csv\nConnection: X-Drop\nX-Drop: 1\nServer: crm/1\n\n",
		"/range":    "HTTP/1.1 206 Partial Content\nContent-Range: bytes 2-4/9\nContent-Length: 3\n\nabc",
		"/304":      "HTTP/1.1 304 Not Modified\nEtag: \"x\"\nContent-Length: 55\n\n",
		"/204":      "HTTP/1.1 204 No Content\n\n",
		"/redirect": "HTTP/1.1 302 Found\nLocation: http://elsewhere.test/a b\nContent-Length: 0\n\n",
		"/odd":      "HTTP/1.1 499 Odd\nX-Twice: a\nX-Twice: b\nDate: Mon, 01 Jan 2024 00:00:00 GMT\nContent-Length: 15\n\n<html>no type</",
		"/gzip":     "HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 4\n\n\x1f\x8b\x08\x00",
		"/trailers": "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n5\nhello\n0\nX-Sum: 42\n\n",
		"/hidden":   "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\nX-Sum: 42\nContent-Length: 3\nTransfer-Encoding: chunked\nSet-Cookie: a=1\n\n",
	})
	g := guard(t, up, nil)
	for _, tc := range []struct {
		name, method, path string
		status             int
		header             http.Header
		absent             []string
		body               string
		length             int64
		trailer            http.Header
	}{
		{"twenty cookies and none of ours", "GET", "/cookies", 200, http.Header{"Set-Cookie": want}, nil, "", 0, nil},
		{"HEAD", "HEAD", "/head", 200, http.Header{"Content-Length": {"1234"}, "Content-Type": {"text/csv"}, "Server": {"crm/1"}}, []string{"X-Drop"}, "", 1234, nil},
		{"range", "GET", "/range", 206, http.Header{"Content-Range": {"bytes 2-4/9"}}, nil, "abc", 3, nil},
		{"not modified", "GET", "/304", 304, http.Header{"Etag": {`"x"`}}, nil, "", -1, nil},
		{"no content", "GET", "/204", 204, nil, []string{"Content-Type"}, "", -1, nil},
		{"redirect", "GET", "/redirect", 302, http.Header{"Location": {"http://elsewhere.test/a b"}}, nil, "", 0, nil},
		{"odd status", "GET", "/odd", 499, http.Header{"X-Twice": {"a", "b"}, "Date": {"Mon, 01 Jan 2024 00:00:00 GMT"}}, []string{"Content-Type"}, "<html>no type</", 15, nil},
		{"compressed", "GET", "/gzip", 200, http.Header{"Content-Encoding": {"gzip"}}, nil, "\x1f\x8b\x08\x00", 4, nil},
		{"trailers", "GET", "/trailers", 200, nil, nil, "hello", -1, http.Header{"X-Sum": {"42"}}},
		{"trailers without notice", "GET", "/hidden", 200, nil, nil, "hello", -1, http.Header{"X-Sum": {"42"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := g.do(g.request(tc.method, tc.path, nil))
			body, err := io.ReadAll(res.Body)
			if err != nil || string(body) != tc.body || res.StatusCode != tc.status {
				t.Errorf("status %d, body %q, %v", res.StatusCode, body, err)
			}
			if tc.length >= 0 && res.ContentLength != tc.length {
				t.Errorf("length %d, want %d", res.ContentLength, tc.length)
			}
			for name, values := range tc.header {
				if diff := cmp.Diff(values, res.Header[name]); diff != "" {
					t.Error(name, diff)
				}
			}
			for _, name := range tc.absent {
				if v, ok := res.Header[name]; ok {
					t.Errorf("%s: %q", name, v)
				}
			}
			if diff := cmp.Diff(tc.trailer, res.Trailer); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInformationalAnswers(t *testing.T) {
	up := answering(t, map[string]string{"/": "HTTP/1.1 103 Early Hints\nLink: </a.css>; rel=preload\nSet-Cookie: crmgate_session=evil\n\n" +
		"HTTP/1.1 103 Early Hints\nLink: </b.css>; rel=preload\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok"})
	c, in := guard(t, up, nil).dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: crm.example.com\r\n"+asAnn+"\r\n\r\n")
	var got []string
	for range 3 {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(res.StatusCode, res.Header["Link"], res.Header["Set-Cookie"]))
	}
	if diff := cmp.Diff([]string{"103 [</a.css>; rel=preload] []", "103 [</b.css>; rel=preload] []", "200 [] []"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestExpectContinue(t *testing.T) {
	up := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			w.WriteHeader(413)
			return
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "got %s", body)
	}))
	g := guard(t, "http://"+up, nil)
	for _, tc := range []struct{ name, path, first, then string }{
		{"wanted", "/upload", "HTTP/1.1 100 Continue", "HTTP/1.1 200 OK"},
		{"refused by the CRM", "/refused", "HTTP/1.1 413 Request Entity Too Large", ""},
		{"refused by a rule", "/admin/upload", "HTTP/1.1 403 Forbidden", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, in := g.dial()
			io.WriteString(c, "POST "+tc.path+" HTTP/1.1\r\nHost: crm.example.com\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"+asAnn+"\r\n\r\n")
			lines := textproto.NewReader(in)
			first, err := lines.ReadLine() // before the body is sent
			if err != nil || first != tc.first {
				t.Fatalf("%q, %v", first, err)
			}
			if tc.then == "" {
				return
			}
			lines.ReadLine()
			io.WriteString(c, "hello")
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != 200 || string(body) != "got hello" {
				t.Errorf("status %d, %q", res.StatusCode, body)
			}
		})
	}
}
