package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

const openTunnel = "GET /ws HTTP/1.1\r\nHost: crm.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + asAnn + "\r\n\r\n"

// tunnels is a CRM that hands each tunnel to a function.
func tunnels(t testing.TB, serve func(net.Conn, *bufio.Reader)) string {
	return "http://" + listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\nUpgrade: websocket\r\n\r\n")
		serve(conn, buf.Reader)
	}))
}

// open opens a tunnel; ahead is sent with the request.
func (g *gate) open(ahead string) (net.Conn, *bufio.Reader) {
	g.t.Helper()
	c, in := g.dial()
	io.WriteString(c, openTunnel+ahead)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("X-Hop") != "" || res.Header.Get("Connection") != "Upgrade" || res.Header.Get("Upgrade") != "websocket" {
		g.t.Fatalf("open tunnel: %v %v", res, err)
	}
	return c, in
}

func TestTunnelPassesEveryByte(t *testing.T) {
	g := guard(t, tunnels(t, func(c net.Conn, in *bufio.Reader) { io.Copy(c, in) }), nil)
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 1023, 1024, 1025, 2048, 32 << 10, 33 << 10, 32<<10 + 1024, 3 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			sent := make([]byte, size)
			for i := range sent {
				sent[i] = byte(random.Uint32())
			}
			c, in := g.open("ahead")
			go func() {
				for rest := sent; len(rest) > 0; {
					n := min(1+random.IntN(5000), len(rest))
					c.Write(rest[:n])
					rest = rest[n:]
				}
				c.(*net.TCPConn).CloseWrite()
			}()
			// The echo ends when the end of what was sent has come through, and its own end comes back.
			got, err := io.ReadAll(in)
			if want := append([]byte("ahead"), sent...); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
			}
		})
	}
	wait(t, func() bool { return g.inFlight(0) == 0 })
}

func TestTunnelEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		crm    func(net.Conn, *bufio.Reader)
		client func(net.Conn)
	}{
		"client hangs up":    {func(_ net.Conn, in *bufio.Reader) { io.Copy(io.Discard, in) }, func(c net.Conn) { c.Close() }},
		"client is cut off":  {func(_ net.Conn, in *bufio.Reader) { io.Copy(io.Discard, in) }, func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() }},
		"CRM hangs up":       {func(net.Conn, *bufio.Reader) {}, func(c net.Conn) { io.Copy(io.Discard, c); c.Close() }},
		"CRM is cut off":     {func(c net.Conn, _ *bufio.Reader) { c.(*net.TCPConn).SetLinger(0) }, func(c net.Conn) { io.Copy(io.Discard, c); c.Close() }},
		"nobody reads a lot": {func(c net.Conn, _ *bufio.Reader) { c.Write(make([]byte, 16<<20)) }, func(c net.Conn) { c.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			g := guard(t, tunnels(t, tc.crm), nil)
			c, _ := g.open("")
			tc.client(c)
			wait(t, func() bool { return g.inFlight(0) == 0 })
		})
	}
}

// What a CRM says about another protocol than the one that was asked for is no tunnel.
func TestTunnelToAnotherProtocol(t *testing.T) {
	for _, head := range []string{"Upgrade: h2c\r\n", "", "Upgrade: websocket\r\nUpgrade: websocket\r\n"} {
		up := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"+head+"\r\n")
			io.Copy(io.Discard, conn)
		}))
		g := guard(t, "http://"+up, nil)
		if res := g.raw(strings.Replace(openTunnel, asAnn, "Accept: application/json\r\n"+asAnn, 1)); res.StatusCode != 502 {
			t.Errorf("%q: status %d", head, res.StatusCode)
		}
		wait(t, func() bool { return g.inFlight(0) == 0 })
	}
}

// Open tunnels are most of what a gateway before a CRM with live pages has to keep.
func TestTunnelsWaitInLittleMemory(t *testing.T) {
	const n = 200
	g := guard(t, tunnels(t, func(c net.Conn, in *bufio.Reader) {
		io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{in}, make([]byte, 1024))
	}), nil)
	g.open("")
	use := func() (goroutines, bytes int) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), int(m.HeapAlloc)
	}
	goroutines, before := use()
	message := make([]byte, 5000) // more than a direction waits with
	for range n {
		c, in := g.open("")
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, in, int64(len(message))); err != nil {
			t.Fatal(err)
		}
	}
	// In this process are the client's connection and the CRM's server as well, with about 16 kB.
	after, bytes := use()
	if per := float64(after-goroutines) / n; per > 3.2 {
		t.Errorf("%.1f goroutines for each", per)
	}
	if per := (bytes - before) / n; per > 40<<10 {
		t.Errorf("%d bytes for each", per)
	}
	t.Logf("%d bytes, %.1f goroutines for each", (bytes-before)/n, float64(after-goroutines)/n)
}
