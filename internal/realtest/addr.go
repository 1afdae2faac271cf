package realtest

import (
	"context"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// Ports below 32768, where Linux starts to draw the ports of outgoing connections.
const firstPort, lastPort = 20000, 32000

// given holds the ports that this test binary has handed out, so that it never hands out one twice.
var given sync.Map

// Addr returns a loopback address "127.0.0.1:port" that nothing listens on, for a server that the test starts itself.
func Addr(t testing.TB) string {
	t.Helper()
	for range 1000 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort)))
		if _, taken := given.LoadOrStore(addr, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			if reserve(t, addr) {
				return addr
			}
		}
	}
	t.Fatal("find a free port: none after 1000 attempts")
	return ""
}

// reserve keeps an address from the other test binaries that run at the same time: until the server listens it looks free to them as well. A
// name of Linux's own for a socket is given back with the process, however that ends.
func reserve(t testing.TB, addr string) bool {
	if runtime.GOOS != "linux" {
		return true
	}
	l, err := net.Listen("unix", "@crmgate-test-"+addr)
	if err != nil {
		return false
	}
	t.Cleanup(func() { l.Close() })
	return true
}

// listens is a ready check for servers that answer as soon as they accept.
func listens(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
}
