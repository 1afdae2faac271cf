package gateway_test

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/middleware"
)

// http2 sends a head in HTTP/2, field by field as it is, which no client of package net/http would, and returns the first byte of the answer's
// fields: 0x88 is status 200 and 0x8c status 400 (RFC 7541, appendix A). A stream that was reset is 0.
func http2(t *testing.T, address string, fields ...string) byte {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	var block strings.Builder
	for i := 0; i < len(fields); i += 2 {
		fmt.Fprintf(&block, "\x00%c%s%c%s", len(fields[i]), fields[i], len(fields[i+1]), fields[i+1])
	}
	const endsAll, headers, reset, settings = 5, 1, 3, 4
	frame := func(kind, flags, stream byte, payload string) {
		t.Helper()
		head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
		if _, err := c.Write(append(append(head, flags, 0, 0, 0, stream), payload...)); err != nil {
			t.Fatal(err)
		}
	}
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	frame(settings, 0, 0, "")
	frame(headers, endsAll, 1, block.String())
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			t.Fatalf("%q: %v", fields, err)
		}
		payload := make([]byte, binary.BigEndian.Uint32(head[:4])>>8)
		if _, err := io.ReadFull(c, payload); err != nil {
			t.Fatal(err)
		}
		switch head[3] {
		case headers:
			return payload[0]
		case reset:
			return 0
		}
	}
}

// TestHeadsOfHTTP2 sends what HTTP/2 can say and HTTP/1.1 could not, or would be refused for.
func TestHeadsOfHTTP2(t *testing.T) {
	up := record(t)
	for _, fast := range []bool{true, false} {
		g := guard(t, up.url, func(s *setup) { s.upstreams[0].FastGet = fast })
		front := httptest.NewUnstartedServer(middleware.Origin(nil, g.handler))
		front.EnableHTTP2 = true
		front.StartTLS()
		t.Cleanup(front.Close)
		const ok, bad = 0x88, 0x8c
		for _, tc := range []struct {
			name, method, path, authority string
			more                          []string
			status                        byte
		}{
			{"plain", "GET", "/x", "crm.example.com", nil, ok},
			{"the same host twice", "GET", "/x", "crm.example.com", []string{"host", "crm.example.com"}, ok},
			{"another host", "GET", "/x", "crm.example.com", []string{"host", "evil.test"}, bad},
			{"two other hosts", "GET", "/x", "crm.example.com", []string{"host", "crm.example.com", "host", "evil.test"}, bad},
			{"a method of two words", "GET /evil", "/x", "crm.example.com", nil, bad},
			{"a method that is a line", "GET / HTTP/1.1", "/x", "crm.example.com", nil, bad},
			{"a method with a colon", "GET:", "/x", "crm.example.com", nil, bad},
			{"a host of two words", "GET", "/x", "crm.example.com evil", nil, bad},
			{"a host with a path", "GET", "/x", "crm.example.com/evil", nil, bad},
			{"a host in letters that are not ASCII", "GET", "/x", "crm.exämple.com", nil, bad},
			{"a path of two words", "GET", "/x evil", "crm.example.com", nil, bad},
			{"a length of what does not come", "GET", "/x", "crm.example.com", []string{"content-length", "5"}, ok},
		} {
			t.Run(fmt.Sprint(tc.name, ", fast_get ", fast), func(t *testing.T) {
				fields := []string{":method", tc.method, ":scheme", "https", ":path", tc.path, ":authority", tc.authority, "cookie", "crmgate_session=ann"}
				if got := http2(t, front.Listener.Addr().String(), append(fields, tc.more...)...); got != tc.status {
					t.Errorf("the answer begins with %#x, want %#x", got, tc.status)
				}
				var hosts [][]string
				for _, s := range up.take(t) {
					if strings.Contains(strings.ToLower(s.raw), "content-length") {
						t.Errorf("a length of nothing:\n%s", s.raw)
					}
					hosts = append(hosts, s.header["Host"])
				}
				var want [][]string
				if tc.status == ok {
					want = [][]string{{"crm.example.com"}}
				}
				if diff := cmp.Diff(want, hosts); diff != "" {
					t.Errorf("hosts that the CRM was told:%s", diff)
				}
			})
		}
	}
}
