package wire

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// ErrUnusual is an answer that this package does not read. Nothing of it was passed on; the request may be made again in another way.
var ErrUnusual = errors.New("answer is not in the form that is read here")

// Client keeps connections to one server. It is safe for concurrent use and must not be copied.
type Client struct {
	// Dial opens a connection. Those that are no *net.TCPConn or *net.UnixConn are never kept.
	Dial func(ctx context.Context) (net.Conn, error)
	// HeadTimeout is how long the head of an answer may take; zero is for ever.
	HeadTimeout time.Duration
	// MaxHead bounds the head of an answer, and its trailers, in bytes.
	MaxHead int
	// MaxIdle bounds the connections that are kept, IdleTimeout how long each is.
	MaxIdle     int
	IdleTimeout time.Duration

	mu     sync.Mutex
	idle   []*conn // the longest idle first
	sweep  *time.Timer
	closed bool
}

// Do sends a head and reads the head of the answer into header, which must be empty. Early, if not nil, gets each informational answer (1xx),
// which it must not keep. The Answer must be closed. Errors: ErrUnusual; a net.Error that is a timeout; the context's; and others
// when the server cannot be reached or breaks off.
func (c *Client) Do(ctx context.Context, head *Head, header http.Header, early func(code int, header http.Header) error) (*Answer, error) {
	if head.err != nil {
		return nil, head.err
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	for {
		conn, kept, err := c.get(ctx)
		if err != nil {
			return nil, err
		}
		if head.Taken != nil && !head.Taken(conn.Conn) {
			conn.Conn.Close()
			return nil, net.ErrClosed
		}
		a := &Answer{client: c, conn: conn, early: early, noBody: head.head}
		a.stop = context.AfterFunc(ctx, conn.interrupt)
		err = a.exchange(head, header)
		if err == nil {
			return a, nil
		}
		silent := conn.silent
		a.keep = false
		a.Close()
		clear(header)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case kept && silent && !errors.Is(err, os.ErrDeadlineExceeded):
			continue // the server had closed it; a new one tells whether it is there
		}
		return nil, err
	}
}

// get returns a connection that was kept, or a new one.
func (c *Client) get(ctx context.Context) (_ *conn, kept bool, err error) {
	now := time.Now()
	for {
		c.mu.Lock()
		n := len(c.idle) - 1
		if n < 0 {
			c.mu.Unlock()
			break
		}
		conn := c.idle[n]
		c.idle[n] = nil
		c.idle = c.idle[:n]
		c.mu.Unlock()
		if now.Sub(conn.since) < c.IdleTimeout && conn.ear.Quiet() {
			return conn, true, nil
		}
		conn.Conn.Close()
	}
	nc, err := c.Dial(ctx)
	if err != nil {
		return nil, false, err
	}
	return newConn(nc), false, nil
}

// put keeps a connection whose answer was read to its end.
func (c *Client) put(conn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.idle) >= c.MaxIdle || c.IdleTimeout <= 0 {
		conn.Conn.Close()
		return
	}
	conn.since = time.Now()
	c.idle = append(c.idle, conn)
	if c.sweep == nil {
		c.sweep = time.AfterFunc(c.IdleTimeout, c.expire)
	}
}

// expire closes what was idle for too long, and comes again as long as something is kept.
func (c *Client) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := 0
	for old < len(c.idle) && time.Since(c.idle[old].since) >= c.IdleTimeout {
		c.idle[old].Conn.Close()
		old++
	}
	c.idle = slices.Delete(c.idle, 0, old)
	if len(c.idle) == 0 || c.closed {
		c.sweep = nil
		return
	}
	c.sweep.Reset(c.IdleTimeout - time.Since(c.idle[0].since))
}

// Close closes what is kept. Answers under way go on.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, conn := range c.idle {
		conn.Conn.Close()
	}
	c.idle = nil
}
