package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"runtime"
	"sync/atomic"
	"time"

	"crmgate/internal/wire"
)

// quietConn is a connection to the CRM on which nothing may come before it is asked for. http.Transport gives a connection back before it
// looks whether more came than the answer; a request that is quick enough gets what is left over as its own answer, which then is another
// person's. So whoever gets a used connection first waits until the Transport has read everything there is (settle).
type quietConn struct {
	net.Conn
	ear wire.Ear
	// reading is true while a Read waits: what came before it has been used, for the Transport reads only when its buffer is empty.
	reading atomic.Bool
	// lent is true from when a request gets the connection, used before, until the first byte of it is written.
	lent   atomic.Bool
	closed atomic.Bool
}

var errUnasked = errors.New("read answer: bytes came before the request was sent")

// settleTime bounds the wait for the Transport's own goroutine, which has nothing else to do.
const settleTime = time.Second

func quietly(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &quietConn{Conn: nc, ear: wire.NewEar(nc)}, nil
	}
}

func (c *quietConn) Read(p []byte) (int, error) {
	c.reading.Store(true)
	n, err := c.Conn.Read(p)
	c.reading.Store(false)
	if n > 0 && c.lent.Load() {
		return 0, errUnasked
	}
	return n, err
}

func (c *quietConn) Write(p []byte) (int, error) {
	c.lent.Store(false)
	return c.Conn.Write(p)
}

func (c *quietConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// CloseWrite tells the CRM that nothing more comes; tunnels need it.
func (c *quietConn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// settle reports whether the connection may be used again, and closes it where not.
func (c *quietConn) settle() bool {
	c.lent.Store(true) // before reading is asked: one of the two sees what comes now
	var began time.Time
	for tries := 0; !c.reading.Load(); tries++ {
		switch {
		case c.closed.Load():
			return false
		case tries < 20:
			runtime.Gosched()
			continue
		case began.IsZero():
			began = time.Now()
		case time.Since(began) > settleTime:
			c.Close()
			return false
		}
		time.Sleep(50 * time.Microsecond)
	}
	if wire.Keeps && !c.ear.Quiet() {
		c.Close()
		return false
	}
	return true
}

// got looks at the connection that a request is about to be sent on. One that is not fit has been closed when got returns, and nothing of
// the request was or will be sent.
func (e *early) got(info httptrace.GotConnInfo) {
	e.connected.Store(true)
	e.unsent = false
	if !info.Reused && !info.WasIdle {
		return
	}
	nc := info.Conn
	if t, ok := nc.(*tls.Conn); ok {
		if t.ConnectionState().NegotiatedProtocol == "h2" {
			return // its frames say which request they answer
		}
		nc = t.NetConn()
	}
	if c, ok := nc.(*quietConn); ok && !c.settle() {
		e.unsent = true
		e.sent.Close()
	}
}
