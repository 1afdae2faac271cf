package provider

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// TestConnectionGoesFromHandToHand lets one connection be put back by one goroutine and be used by another at once. It is for the race
// detector: nothing but the lock of the server may stand between the two.
func TestConnectionGoesFromHandToHand(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	now := time.Now()
	s := &server{timeout: time.Second, now: func() time.Time { return now }}
	wire := &capped{Conn: ours}
	c := &conn{Conn: ldap.NewConn(wire, true), wire: wire, born: now}
	c.Start()
	defer c.Close()
	if err := c.lend(t.Context(), s.timeout); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		go s.put(c)
		for taken := s.take(t.Context()); taken != c; taken = s.take(t.Context()) {
			runtime.Gosched()
		}
	}
	s.put(c)
	if len(s.idle) != 1 || !c.rested.Equal(now) {
		t.Errorf("%d connections wait, the last since %s", len(s.idle), c.rested)
	}
}
