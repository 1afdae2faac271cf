package middleware

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"crmgate/internal/audit"
)

// header makes a PROXY header of version 2.
func header(command, family byte, rest []byte) string {
	h := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family)
	h = binary.BigEndian.AppendUint16(h, uint16(len(rest)))
	return string(append(h, rest...))
}

var (
	fourBytes = []byte{192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 80}
	sixBytes  = append(append(netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("2001:db8::1").AsSlice()...), 0x30, 0x39, 0, 80)
	mapped    = append(append(netip.MustParseAddr("::ffff:192.0.2.7").AsSlice(), netip.MustParseAddr("::1").AsSlice()...), 0x30, 0x39, 0, 80)
)

// sealed is a header with a checksum, a wrong one where flip is not zero.
func sealed(flip byte) string {
	h := []byte(header(1, 0x11, append(append([]byte(nil), fourBytes...), 3, 0, 4, 0, 0, 0, 0)))
	binary.BigEndian.PutUint32(h[len(h)-4:], crc32.Checksum(h, crc32.MakeTable(crc32.Castagnoli)))
	h[len(h)-1] ^= flip
	return string(h)
}

// TestProxyProtocol connects to a server as a balancer and as a stranger. The server says whom it takes the other side for.
func TestProxyProtocol(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	start := func(patience time.Duration, listed []netip.Prefix) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: Origin(listed, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o := audit.OriginOf(r.Context())
			fmt.Fprintf(w, "%s trusted=%t", o.Address, o.Trusted)
		}))}
		go srv.Serve(&ProxyProtocol{Listener: ln, Trusted: listed, Timeout: patience})
		t.Cleanup(func() { srv.Close() })
		return ln.Addr().String()
	}
	balancer, stranger := start(time.Hour, trusted), start(time.Hour, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	const request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
	v4 := header(1, 0x11, fourBytes)
	for _, tc := range []struct {
		name, addr, send string
		// want is the body, "" for a connection that is closed without a word, or the status.
		want string
	}{
		{"IPv4", balancer, v4, "192.0.2.7 trusted=false"},
		{"IPv6", balancer, header(1, 0x21, sixBytes), "2001:db8::7 trusted=false"},
		{"IPv4 in IPv6", balancer, header(1, 0x21, mapped), "192.0.2.7 trusted=false"},
		{"with additions", balancer, header(1, 0x11, append(append([]byte(nil), fourBytes...), 0x20, 0, 2, 'a', 'b', 0xea, 0, 0)), "192.0.2.7 trusted=false"},
		{"with a checksum", balancer, sealed(0), "192.0.2.7 trusted=false"},
		{"with a wrong checksum", balancer, sealed(1), ""},
		{"the balancer's own check", balancer, header(0, 0, nil), "6.6.6.6 trusted=true"},
		{"the balancer's own check with addresses", balancer, header(0, 0x11, fourBytes), "6.6.6.6 trusted=true"},
		{"somebody unknown", balancer, header(1, 0, nil), " trusted=false"},
		{"a Unix socket", balancer, header(1, 0x31, make([]byte, 216)), " trusted=false"},
		{"another trusted proxy behind it", balancer, header(1, 0x11, append([]byte{127, 0, 0, 9}, fourBytes[4:]...)), "6.6.6.6 trusted=true"},
		{"none", balancer, "", ""},
		{"version 1", balancer, "PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n", ""},
		{"version 3", balancer, strings.Replace(v4, "\n!", "\n1", 1), ""},
		{"another command", balancer, header(2, 0x11, fourBytes), ""},
		{"another family", balancer, header(1, 0x41, fourBytes), ""},
		{"too short for its family", balancer, header(1, 0x21, fourBytes), ""},
		{"cut off", start(100*time.Millisecond, trusted), v4[:20], ""},
		{"too long", balancer, header(1, 0x11, make([]byte, 5000)), ""},
		{"broken additions", balancer, header(1, 0x11, append(append([]byte(nil), fourBytes...), 1, 0, 9, 0)), ""},
		{"twice", balancer, v4 + v4, "400"},
		{"from a stranger", stranger, v4, "400"},
		{"none from a stranger", stranger, "", "127.0.0.1 trusted=false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := net.Dial("tcp", tc.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			send := tc.send + request
			if tc.name == "cut off" {
				send = tc.send
			}
			io.WriteString(c, send)
			answer, _ := io.ReadAll(c)
			got := ""
			if res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil); err == nil {
				body, _ := io.ReadAll(res.Body)
				if got = string(body); res.StatusCode != 200 {
					got = fmt.Sprint(res.StatusCode)
				}
			} else if len(answer) > 0 {
				t.Fatalf("%q", answer)
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestASlowProxyHeaderHoldsUpNobody(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l := &ProxyProtocol{Listener: ln, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Timeout: 100 * time.Millisecond}
	for range 2 { // neither says anything
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for range 2 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go c.Read(make([]byte, 1))
		defer c.Close()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v", err)
		}
	}
}

// FuzzProxyHeader reads arbitrary bytes: no panic, not a byte more than the header says, and never an address that was not there.
func FuzzProxyHeader(f *testing.F) {
	for _, s := range []string{header(1, 0x11, fourBytes), header(1, 0x21, sixBytes), header(0, 0, nil), sealed(0), header(1, 0x31, make([]byte, 216)), "PROXY TCP4 1.2.3.4"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		from, err := readProxyHeader(r)
		read := len(b) - r.Len()
		if read > 16 && read > 16+int(binary.BigEndian.Uint16(b[14:])) {
			t.Fatalf("%d bytes were read of %x", read, b)
		}
		if err != nil {
			return
		}
		if !bytes.HasPrefix(b, proxySignature) || b[12]>>4 != 2 || read != 16+int(binary.BigEndian.Uint16(b[14:])) {
			t.Fatalf("accepted %x", b)
		}
		if tcp, ok := from.(*net.TCPAddr); ok {
			a, _ := netip.AddrFromSlice(tcp.IP)
			if raw := a.Unmap().AsSlice(); !bytes.Contains(b[16:], raw) {
				t.Fatalf("%v is not in %x", a, b)
			}
		}
	})
}
