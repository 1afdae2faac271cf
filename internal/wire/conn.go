package wire

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// bufferSize holds the head of nearly every answer together with a small body.
const bufferSize = 8 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// conn is one connection and what was read from it and not used yet.
type conn struct {
	net.Conn
	ear Ear

	buf    []byte // nil while idle
	r, w   int    // buf[r:w] is unread
	silent bool   // nothing came for the request under way
	// since is when it was kept.
	since time.Time
}

func newConn(nc net.Conn) *conn { return &conn{Conn: nc, ear: NewEar(nc)} }

// interrupt makes whatever waits for the connection end at once. A deadline would not do: the next one would take its place.
func (c *conn) interrupt() { c.Conn.Close() }

// begin lends the connection a buffer.
func (c *conn) begin() {
	c.buf, c.r, c.w, c.silent = buffers.Get().(*[bufferSize]byte)[:], 0, 0, true
}

// end takes the buffer back.
func (c *conn) end() {
	if cap(c.buf) == bufferSize {
		buffers.Put((*[bufferSize]byte)(c.buf[:bufferSize]))
	}
	c.buf, c.r, c.w = nil, 0, 0
}

// errHeadTooLarge is the head of an answer beyond Client.MaxHead.
var errHeadTooLarge = errors.New("read answer: its head is too large")

// fill reads more after what is unread, which may grow to limit bytes.
func (c *conn) fill(limit int) error {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
	case c.w == len(c.buf) && c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		if len(c.buf) >= limit {
			return errHeadTooLarge
		}
		grown := make([]byte, min(2*len(c.buf), max(limit, bufferSize+1)))
		copy(grown, c.buf[:c.w])
		if cap(c.buf) == bufferSize {
			buffers.Put((*[bufferSize]byte)(c.buf[:bufferSize]))
		}
		c.buf = grown
	}
	n, err := c.Conn.Read(c.buf[c.w:])
	if n > 0 {
		c.w += n
		c.silent = false
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Read takes what was read before first.
func (c *conn) Read(p []byte) (int, error) {
	if c.r < c.w {
		n := copy(p, c.buf[c.r:c.w])
		c.r += n
		return n, nil
	}
	return c.Conn.Read(p)
}
