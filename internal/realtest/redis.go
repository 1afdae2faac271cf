package realtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

const redisPassword = "redis-test-password"

// Redis starts a Redis server of the test's own that keeps nothing on disk, and returns its address and password.
func Redis(t testing.TB) (addr, password string) {
	t.Helper()
	bin := program(t, "redis-server", "apt-get install redis-server")
	dir := t.TempDir()
	addr = Addr(t)
	_, port, _ := net.SplitHostPort(addr)
	s := &server{
		name: "redis-server",
		// A full memory answers with an error instead of dropping somebody's session.
		argv: []string{bin, "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "no",
			"--requirepass", redisPassword, "--maxmemory", "64mb", "--maxmemory-policy", "noeviction"},
		log:   filepath.Join(dir, "log"),
		ready: redisAnswers(addr),
	}
	s.keep(t)
	return addr, redisPassword
}

// redisAnswers signs in and pings by hand: two lines of its protocol need no client library.
func redisAnswers(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := fmt.Fprintf(c, "AUTH %s\r\nPING\r\n", redisPassword); err != nil {
			return err
		}
		r := bufio.NewReader(c)
		for _, want := range []string{"+OK", "+PONG"} {
			line, err := r.ReadString('\n')
			if err != nil {
				return err
			}
			if strings.TrimSpace(line) != want {
				return fmt.Errorf("redis answered %q, want %q", line, want)
			}
		}
		return nil
	}
}
