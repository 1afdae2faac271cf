package gateway_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"crmgate/internal/middleware"
)

// message frames a gRPC message (gRPC over HTTP/2, Length-Prefixed-Message).
func message(s string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(s))), s...)
}

func readMessage(r io.Reader) (string, error) {
	var prefix [5]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return "", err
	}
	b := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
	_, err := io.ReadFull(r, b)
	return string(b), err
}

// grpcServer speaks gRPC's framing on HTTP/2 without TLS. "/echo" answers each message at once, "/many" one with three, "/fails" with
// trailers alone.
func grpcServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" || r.Header.Get("Content-Type") != "application/grpc" || r.Header.Get("X-Forwarded-User") != "account-1" {
			http.Error(w, fmt.Sprint(r.Proto, r.Header), 400)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		if r.URL.Path == "/crm.Contacts/fails" {
			w.Header().Set("Grpc-Status", "5")
			return
		}
		rc := http.NewResponseController(w)
		rc.Flush()
		for {
			m, err := readMessage(r.Body)
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			n := map[string]int{"/crm.Contacts/echo": 1, "/crm.Contacts/many": 3}[r.URL.Path]
			for range n {
				w.Write(message(m))
				rc.Flush()
			}
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", "done")
	})}
	srv.Protocols.SetUnencryptedHTTP2(true)
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return "h2c://" + ln.Addr().String()
}

func TestGRPC(t *testing.T) {
	g := guard(t, grpcServer(t), nil)
	front := httptest.NewUnstartedServer(middleware.Origin(nil, g.handler))
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	call := func(method string, body io.Reader) *http.Response {
		t.Helper()
		r, _ := http.NewRequest("POST", front.URL+"/crm.Contacts/"+method, body)
		r.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Cookie": {"crmgate_session=ann"}, "Grpc-Timeout": {"10S"}}
		res, err := front.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if res.ProtoMajor != 2 || res.StatusCode != 200 {
			body, _ := io.ReadAll(res.Body)
			t.Fatalf("%s, status %d: %s", res.Proto, res.StatusCode, body)
		}
		return res
	}
	ended := func(res *http.Response) {
		t.Helper()
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
			t.Errorf("%q, %v", rest, err)
		}
		if res.Trailer.Get("Grpc-Status") != "0" || res.Trailer.Get("Grpc-Message") != "done" {
			t.Errorf("trailers %v", res.Trailer)
		}
	}
	t.Run("one and one", func(t *testing.T) {
		res := call("echo", bytes.NewReader(message("hello")))
		if m, err := readMessage(res.Body); m != "hello" || err != nil {
			t.Errorf("%q, %v", m, err)
		}
		ended(res)
	})
	t.Run("one and many", func(t *testing.T) {
		res := call("many", bytes.NewReader(message("hello")))
		for range 3 {
			if m, err := readMessage(res.Body); m != "hello" || err != nil {
				t.Errorf("%q, %v", m, err)
			}
		}
		ended(res)
	})
	t.Run("both ways at once", func(t *testing.T) {
		in, out := io.Pipe()
		go out.Write(message("message 0"))
		res := call("echo", in)
		for i := range 20 { // each is answered before the next is sent
			if m, err := readMessage(res.Body); m != fmt.Sprint("message ", i) || err != nil {
				t.Fatalf("%q, %v", m, err)
			}
			if i < 19 {
				out.Write(message(fmt.Sprint("message ", i+1)))
			}
		}
		out.Close()
		ended(res)
	})
	t.Run("large", func(t *testing.T) {
		m := strings.Repeat("x", 3<<20)
		res := call("echo", bytes.NewReader(message(m)))
		if got, err := readMessage(res.Body); got != m || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		ended(res)
	})
	t.Run("no message", func(t *testing.T) {
		if res := call("fails", bytes.NewReader(message("x"))); res.Header.Get("Grpc-Status") != "5" {
			t.Errorf("%v", res.Header)
		}
	})
}
