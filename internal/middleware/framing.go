package middleware

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
)

// Framing is a listener for plain HTTP/1.1 (within TLS: SecureFraming). It lets only requests pass about whose lines and length no two
// servers disagree (RFC 9112, 2.2, 5.2, 6.3): package net/http also takes a bare LF for the end of a line, a folded line for one, and a Content-Length beside chunks. A
// proxy in front may see two requests where we see one, or the other way round. Whoever sends such a thing gets 400 and the connection
// is closed. Its server must call Hijacked.
type Framing struct{ net.Listener }

// Accept waits for the next connection.
func (l Framing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framedConn{Conn: c}, nil
}

// part is what of a connection's bytes comes next.
type part uint8

const (
	inHead part = iota
	inBody
	inChunkLine
	inChunk
	inTrailer
	// free is after the connection was taken for something else than HTTP.
	free
)

// maxKeptLine is how much of a line is kept from one read to the next. The lines that are looked into are shorter.
const maxKeptLine = 96

// version is the one that has chunks.
const version = "HTTP/1.1"

// spoiled is put in place of what must not pass. It is wrong wherever a line can be, so the server refuses the request and hangs up.
const spoiled = "\x00\r\n\r\n"

// framedConn follows the requests of a connection while they are read.
type framedConn struct {
	net.Conn
	part part
	// left is what is missing of a body or a chunk, with the CRLF that ends it.
	left int64
	// line is the beginning of a line that is not complete, long its length so far, last its last byte.
	line [maxKeptLine]byte
	kept int
	long int
	last byte
	// tail is the end of the line so far, as much as a version has.
	tail [len(version) + 1]byte
	// old is whether the request is of a version without chunks (RFC 9112, 6.1): net/http does not look for any and takes them for requests.
	old bool
	// headLines counts the lines of the head, or of the trailer.
	headLines int
	// length and lengths are the last Content-Length and how many there were; coded is whether there was a Transfer-Encoding.
	length  int64
	lengths int
	coded   bool
	// rest is what is still to be read after something was refused; then comes the end.
	rest    string
	refused bool
}

// Read reads, and spoils what must not pass.
func (c *framedConn) Read(p []byte) (int, error) {
	if c.refused {
		if c.rest == "" {
			return 0, io.EOF
		}
		n := copy(p, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if n > 0 && c.part != free {
		if bad := c.follow(p[:n]); bad >= 0 {
			c.refused = true
			m := copy(p[bad:], spoiled)
			c.rest = spoiled[m:]
			return bad + m, nil
		}
	}
	return n, err
}

// Hijacked is for http.Server.ConnState. What comes over a connection that a handler took (a WebSocket) is no HTTP and passes as it is. A
// request that merely asks for an upgrade changes nothing: anybody can ask, and the next request on the connection may be another's.
func Hijacked(c net.Conn, state http.ConnState) {
	if state != http.StateHijacked {
		return
	}
	switch c := c.(type) {
	case *framedConn:
		c.part = free // the server has stopped reading
	case *secureConn:
		c.frames.part = free
	}
}

// ReadFrom lets the operating system move an answer, as it would without us.
func (c *framedConn) ReadFrom(r io.Reader) (int64, error) { return readFrom(c.Conn, r) }

// CloseWrite closes one half, which the server does before it hangs up on somebody who still sends.
func (c *framedConn) CloseWrite() error { return closeWrite(c.Conn) }

func readFrom(c net.Conn, r io.Reader) (int64, error) {
	if to, ok := c.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c}, r)
}

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// follow goes over what was read and returns where something begins that must not pass, or -1.
func (c *framedConn) follow(b []byte) int {
	for i := 0; i < len(b); {
		switch c.part {
		case free:
			return -1
		case inBody, inChunk:
			n := min(int64(len(b)-i), c.left)
			i += int(n)
			if c.left -= n; c.left == 0 {
				c.bodyEnded()
			}
			continue
		}
		end := bytes.IndexByte(b[i:], '\n')
		// A line that begins with white space goes on with the one before it.
		if c.long == 0 && c.headLines > 0 && c.part != inChunkLine && (b[i] == ' ' || b[i] == '\t') {
			return i
		}
		if end < 0 {
			c.trail(b[i:])
			c.keep(b[i:])
			return -1
		}
		at := i + end
		before := c.last
		if end > 0 {
			before = b[at-1]
		}
		if c.long+end == 0 || before != '\r' {
			return at // a bare LF
		}
		whole := b[i : at-min(end, 1)]
		if c.headLines == 0 {
			c.trail(b[i:at])
			c.old = string(c.tail[:]) != version+"\r"
		}
		if c.long > 0 {
			c.keep(b[i:at])
			whole = c.line[:min(c.kept, max(c.long-1, 0))]
		}
		c.kept, c.long, c.last = 0, 0, 0
		if !c.lineEnded(whole) {
			return at
		}
		i = at + 1
	}
	return -1
}

// keep remembers the beginning of a line.
func (c *framedConn) keep(b []byte) {
	if len(b) > 0 {
		c.kept += copy(c.line[c.kept:], b)
		c.long += len(b)
		c.last = b[len(b)-1]
	}
}

// trail remembers the end of a line.
func (c *framedConn) trail(b []byte) {
	n := min(len(b), len(c.tail))
	copy(c.tail[:], c.tail[n:])
	copy(c.tail[len(c.tail)-n:], b[len(b)-n:])
}

// lineEnded takes a line, of which at least the beginning is there. It reports false for one that must not pass.
func (c *framedConn) lineEnded(line []byte) bool {
	switch c.part {
	case inChunkLine:
		return c.chunk(line)
	case inTrailer:
		c.headLines++
		if len(line) == 0 {
			c.start()
		}
		return true
	}
	c.headLines++
	switch {
	case len(line) > 0:
		return c.headLines == 1 || c.field(line)
	case c.headLines == 1: // an empty line before a request, which net/http refuses
		return true
	}
	return c.headEnded()
}

// field looks at what tells where the body ends.
func (c *framedConn) field(line []byte) bool {
	if len(line) == 0 || line[0]|0x20 != 'c' && line[0]|0x20 != 't' {
		return true
	}
	name, value, _ := bytes.Cut(line, []byte{':'})
	value = bytes.Trim(value, " \t")
	switch {
	case bytes.EqualFold(name, []byte("content-length")):
		n, err := strconv.ParseUint(string(value), 10, 63)
		// Of a line as long as that the end may be missing here, and with it the last digits behind many zeros.
		if c.lengths++; err != nil || c.lengths > 1 || len(line) >= maxKeptLine-1 {
			return false
		}
		c.length = int64(n)
	case bytes.EqualFold(name, []byte("transfer-encoding")):
		if c.coded || c.old || !bytes.EqualFold(value, []byte("chunked")) {
			return false
		}
		c.coded = true
	}
	return true
}

func (c *framedConn) headEnded() bool {
	switch {
	case c.coded && c.lengths > 0:
		return false
	case c.coded:
		c.part = inChunkLine
	case c.length > 0:
		c.part, c.left = inBody, c.length
	default:
		c.start()
	}
	return true
}

// start waits for the next request.
func (c *framedConn) start() {
	c.part, c.headLines, c.length, c.lengths, c.coded = inHead, 0, 0, 0, false
}

func (c *framedConn) bodyEnded() {
	if c.part == inChunk {
		c.part = inChunkLine
		return
	}
	c.start()
}

// chunk reads the size of a chunk. Its data and the CRLF behind them are for net/http to check.
func (c *framedConn) chunk(line []byte) bool {
	size, _, _ := bytes.Cut(line, []byte{';'})
	n, err := strconv.ParseUint(string(bytes.TrimRight(size, " \t")), 16, 62)
	switch {
	case err != nil:
		return false
	case n == 0:
		c.part, c.headLines = inTrailer, 0
	default:
		c.part, c.left = inChunk, int64(n)+2
	}
	return true
}
