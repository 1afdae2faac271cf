package realtest

import (
	"context"
	"math/rand/v2"
	"net"
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
			return addr
		}
	}
	t.Fatal("find a free port: none after 1000 attempts")
	return ""
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
