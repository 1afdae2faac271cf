package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// framing is how the end of a body is known (RFC 9112 section 6.3).
type framing int

const (
	byNothing framing = iota // there is no body
	byLength
	byChunks
	byClose
)

// Answer is the answer to one request. Its methods are for one goroutine.
type Answer struct {
	// Status is the status code, 200 or higher.
	Status int
	// Length is that of the body, -1 where it is not known before its end.
	Length int64
	// Trailer are the fields after the body, once Read has returned io.EOF; nil for none.
	Trailer http.Header

	client *Client
	conn   *conn
	early  func(int, http.Header) error
	stop   func() bool
	noBody bool // the answer to HEAD
	// keep is false where the server closes the connection after this.
	keep    bool
	framing framing
	// left is what is missing of the body, or of the chunk.
	left int64
	// ended is true where a chunk was read and the CRLF behind it was not.
	ended bool
	done  bool
}

// exchange sends the head and reads answers until the final one.
func (a *Answer) exchange(head *Head, header http.Header) error {
	a.conn.begin()
	head.buf = append(head.buf, "\r\n"...)
	_, err := a.conn.Write(head.buf)
	head.buf = head.buf[:len(head.buf)-2] // a second try writes it again
	if err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	if t := a.client.HeadTimeout; t > 0 {
		a.conn.SetReadDeadline(time.Now().Add(t))
	}
	for early := 0; ; early++ {
		if err := a.readHead(header); err != nil {
			return err
		}
		if a.Status >= 200 {
			break
		}
		// The Transport of the standard library allows as many.
		if a.Status == http.StatusSwitchingProtocols || early == 5 {
			return ErrUnusual
		}
		if a.early != nil {
			if err := a.early(a.Status, header); err != nil {
				return err
			}
		}
		clear(header)
	}
	if a.client.HeadTimeout > 0 {
		a.conn.SetReadDeadline(time.Time{})
	}
	return nil
}

// Read reads the body. Where the server breaks off before its end, the error is not io.EOF.
func (a *Answer) Read(p []byte) (int, error) {
	switch {
	case a.done:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	case a.framing == byNothing:
		a.done = true
		return 0, io.EOF
	case a.framing == byChunks && a.left == 0:
		if err := a.nextChunk(); err != nil {
			return 0, err
		}
		if a.done {
			return 0, io.EOF
		}
	}
	if a.framing != byClose && int64(len(p)) > a.left {
		p = p[:a.left]
	}
	n, err := a.conn.Read(p)
	switch {
	case a.framing == byClose && err == io.EOF:
		a.done = true
		return n, io.EOF
	case a.framing == byClose:
		return n, err
	}
	a.left -= int64(n)
	switch {
	case a.left == 0 && a.framing == byLength:
		a.done = true
		return n, io.EOF
	case a.left == 0:
		// Its CRLF is read with the next chunk: some servers send both together, and nobody must wait for that to see this one.
		a.ended = true
		return n, nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// directBytes is from where on it pays to let the operating system move a body from one connection to the other.
const directBytes = 64 << 10

// WriteTo copies the body to w, from the connection's own buffer; most of a large one w may read straight from the connection.
func (a *Answer) WriteTo(w io.Writer) (int64, error) {
	if a.framing != byLength || a.done {
		return io.Copy(w, struct{ io.Reader }{a})
	}
	var total int64
	for a.left > 0 {
		if from, ok := w.(io.ReaderFrom); ok && a.conn.r == a.conn.w && a.left >= directBytes {
			n, err := from.ReadFrom(&io.LimitedReader{R: a.conn.Conn, N: a.left})
			total, a.left = total+n, a.left-n
			if err == nil && a.left > 0 {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				return total, err
			}
			break
		}
		if a.conn.r == a.conn.w {
			if err := a.conn.fill(len(a.conn.buf)); err != nil {
				return total, err
			}
		}
		n, err := w.Write(a.conn.buf[a.conn.r : a.conn.r+int(min(int64(a.conn.w-a.conn.r), a.left))])
		a.conn.r += n
		total, a.left = total+int64(n), a.left-int64(n)
		if err != nil {
			return total, err
		}
	}
	a.done = true
	return total, nil
}

// Close gives the connection back where the answer was read to its end and nothing came after it, and closes it otherwise.
func (a *Answer) Close() {
	if a.conn == nil {
		return
	}
	conn := a.conn
	a.conn = nil
	undisturbed := a.stop == nil || a.stop()
	whole := (a.done || a.framing == byNothing && a.Status != 0) && conn.r == conn.w
	conn.end()
	if whole && a.keep && undisturbed {
		a.client.put(conn)
		return
	}
	conn.Conn.Close()
}

var errChunk = errors.New("read answer: bad chunk")

// nextChunk reads the line before a chunk, and what follows the last one.
func (a *Answer) nextChunk() error {
	if a.ended {
		if err := a.crlf(); err != nil {
			return err
		}
		a.ended = false
	}
	line, err := a.line(maxChunkLine)
	if err != nil {
		return err
	}
	digits := 0
	var n int64
	for digits < len(line) && classes[line[digits]]&isHex != 0 {
		n = n<<4 | int64(hexDigit(line[digits]))
		digits++
	}
	if digits == 0 || digits > 15 {
		return errChunk
	}
	// Extensions are for the neighbour and end here (RFC 9112 section 7.1.1).
	if rest := line[digits:]; len(rest) > 0 && (rest[0] != ';' || !fieldValue(rest)) {
		return errChunk
	}
	a.left = n
	if n > 0 {
		return nil
	}
	trailer := http.Header{}
	if err := a.fields(trailer); err != nil {
		return err
	}
	if len(trailer) > 0 {
		a.Trailer = trailer
	}
	a.done = true
	return nil
}

func (a *Answer) crlf() error {
	line, err := a.line(2)
	if err == nil && len(line) != 0 {
		err = errChunk
	}
	return err
}

func hexDigit(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// maxChunkLine bounds the line before a chunk; net/http allows as much.
const maxChunkLine = 4 << 10
