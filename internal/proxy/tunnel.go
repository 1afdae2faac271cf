package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// waitingSize is what each direction of a tunnel waits with. Nearly all tunnels wait nearly always, and a buffer for bodies in each
	// would be most of what they cost.
	waitingSize = 1 << 10
	// halfOpen is how long the one side may go on after the other has said its last word.
	halfOpen = 30 * time.Second
)

// tunnel is a connection of a client and one of the CRM, each of which gets what the other sends. No handler waits for it: the goroutine
// and the buffers of the server's connection are free again.
type tunnel struct {
	upstream *Upstream
	endpoint *endpoint
	flight   flight
	cancel   context.CancelFunc
	// client is nil until there is a tunnel.
	client net.Conn
	crm    io.ReadWriteCloser
	ended  sync.Once

	mu sync.Mutex
	// quiet is the number of sides that have said their last word; patience ends the other.
	quiet    int
	patience *time.Timer
}

// run copies in both directions, ahead before anything else of the client.
func (t *tunnel) run(ahead []byte) {
	go t.relay(t.client, t.crm, nil)
	go t.relay(t.crm, t.client, ahead)
}

// relay copies one direction.
func (t *tunnel) relay(to io.Writer, from io.Reader, ahead []byte) {
	var err error
	if len(ahead) > 0 {
		_, err = to.Write(ahead)
	}
	if err == nil {
		err = t.pass(to, from)
	}
	if !errors.Is(err, io.EOF) || !t.lastWord(to) {
		t.end()
	}
}

// pass copies until something ends; it never returns nil.
func (t *tunnel) pass(to io.Writer, from io.Reader) error {
	buf := make([]byte, waitingSize)
	for {
		n, err := copyOnce(to, from, buf)
		if n == len(buf) && err == nil {
			err = t.rush(to, from)
		}
		if err != nil {
			return err
		}
	}
}

// rush copies while there is much to copy.
func (t *tunnel) rush(to io.Writer, from io.Reader) error {
	buf := t.upstream.buffers.Get()
	defer t.upstream.buffers.Put(buf)
	for {
		if n, err := copyOnce(to, from, buf); n < len(buf) || err != nil {
			return err
		}
	}
}

func copyOnce(to io.Writer, from io.Reader, buf []byte) (int, error) {
	n, err := from.Read(buf)
	if n > 0 {
		if _, err := to.Write(buf[:n]); err != nil {
			return n, err
		}
	}
	return n, err
}

// lastWord tells a side that nothing more comes. It reports false where the tunnel is to end: both sides are done, or the connection cannot
// be closed by half.
func (t *tunnel) lastWord(to io.Writer) bool {
	half, ok := to.(interface{ CloseWrite() error })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.quiet++; t.quiet > 1 || !ok || half.CloseWrite() != nil {
		return false
	}
	t.patience = time.AfterFunc(halfOpen, func() { _ = t.Close() })
	return true
}

// Close cuts both connections. Whoever copies notices and ends the tunnel.
func (t *tunnel) Close() error { return errors.Join(t.client.Close(), t.crm.Close()) }

// end takes the tunnel off, open or not.
func (t *tunnel) end() {
	t.ended.Do(func() {
		t.upstream.flights.done(&t.flight)
		if t.client != nil {
			_ = t.Close() // one of them is gone, and nobody is left to be told
		}
		t.mu.Lock()
		if t.patience != nil {
			t.patience.Stop()
		}
		t.mu.Unlock()
		t.cancel()
		t.endpoint.inFlight.Add(-1)
	})
}
