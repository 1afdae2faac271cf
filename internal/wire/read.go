package wire

import (
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// line returns the next line without its CRLF; a bare LF, or a line beyond limit bytes, is an error. It is good until the next read.
func (a *Answer) line(limit int) ([]byte, error) {
	c, seen := a.conn, 0
	for {
		if i := bytes.IndexByte(c.buf[c.r+seen:c.w], '\n'); i >= 0 {
			line := c.buf[c.r : c.r+seen+i]
			c.r += seen + i + 1
			if len(line) == 0 || line[len(line)-1] != '\r' || len(line)+1 > limit {
				return nil, errChunk
			}
			return line[:len(line)-1], nil
		}
		if seen = c.w - c.r; seen >= limit {
			return nil, errChunk
		}
		if err := c.fill(max(limit, len(c.buf))); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
	}
}

// block reads up to and with the empty line, and returns all lines before it, each with its CRLF.
func (a *Answer) block() ([]byte, error) {
	c, seen := a.conn, 0
	for {
		unread := c.buf[c.r:c.w]
		// At the very start an empty line is an empty block.
		if len(unread) >= 2 && unread[0] == '\r' && unread[1] == '\n' {
			c.r += 2
			return nil, nil
		}
		from := max(seen-3, 0)
		if i := bytes.Index(unread[from:], []byte("\r\n\r\n")); i >= 0 {
			end := from + i + 2
			c.r += end + 2
			return unread[:end], nil
		}
		// A server that ends its lines with a bare LF would be waited for until it gave up.
		if bytes.Contains(unread[max(seen-1, 0):], []byte("\n\n")) {
			return nil, ErrUnusual
		}
		seen = len(unread)
		if seen >= a.client.MaxHead {
			return nil, errHeadTooLarge
		}
		if err := c.fill(a.client.MaxHead); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
	}
}

// readHead reads one status line with its fields and finds out how the body ends.
func (a *Answer) readHead(header http.Header) error {
	block, err := a.block()
	if err != nil {
		return err
	}
	status, rest, _ := bytes.Cut(block, []byte("\r\n"))
	minor, ok := a.statusLine(status)
	if !ok || !parse(rest, header) {
		return ErrUnusual
	}
	return a.frame(minor, header)
}

// statusLine reads "HTTP/1.1 200 OK" (RFC 9112 section 4) and returns the minor version.
func (a *Answer) statusLine(s []byte) (minor byte, ok bool) {
	const shape = "HTTP/1.x 000"
	if len(s) < len(shape) || string(s[:7]) != "HTTP/1." || s[7] != '1' && s[7] != '0' || s[8] != ' ' || len(s) > len(shape) && s[len(shape)] != ' ' {
		return 0, false
	}
	code := 0
	for _, c := range s[9:12] {
		if c < '0' || c > '9' {
			return 0, false
		}
		code = code*10 + int(c-'0')
	}
	a.Status = code
	return s[7], code >= 100 && fieldValue(s[len(shape):])
}

// frame decides how the body ends. What can be read in two ways is not read at all.
func (a *Answer) frame(minor byte, header http.Header) error {
	a.keep = minor == '1' && !closes(header["Connection"])
	lengths, codings := header["Content-Length"], header["Transfer-Encoding"]
	if len(lengths) > 1 || len(codings) > 1 || len(codings) == 1 && (len(lengths) == 1 || minor == '0') {
		return ErrUnusual
	}
	length := int64(-1)
	if len(lengths) == 1 {
		var ok bool
		if length, ok = number(lengths[0]); !ok {
			return ErrUnusual
		}
	}
	if len(codings) == 1 && !strings.EqualFold(codings[0], "chunked") {
		return ErrUnusual
	}
	switch {
	case a.Status < 200:
		if len(codings) == 1 || length > 0 {
			return ErrUnusual
		}
	case a.noBody, a.Status == http.StatusNoContent, a.Status == http.StatusNotModified:
		a.framing, a.Length = byNothing, length
	case len(codings) == 1:
		a.framing, a.Length = byChunks, -1
	case length >= 0:
		a.framing, a.Length, a.left = byLength, length, length
		if length == 0 {
			a.framing = byNothing
		}
	default:
		a.framing, a.Length, a.keep = byClose, -1, false
	}
	return nil
}

// number reads a length of digits alone.
func number(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// closes reports whether Connection holds "close".
func closes(lines []string) bool {
	for _, line := range lines {
		for word := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(word, " \t"), "close") {
				return true
			}
		}
	}
	return false
}

// fields reads trailers.
func (a *Answer) fields(into http.Header) error {
	block, err := a.block()
	if err != nil {
		return err
	}
	if !parse(block, into) {
		return errChunk
	}
	return nil
}

// parse reads lines that each end in CRLF. All values are pieces of one string and all lists of one slice.
func parse(block []byte, into http.Header) bool {
	if len(block) == 0 {
		return true
	}
	text := string(block)
	values := make([]string, bytes.Count(block, []byte("\n")))
	for len(text) > 0 {
		end := strings.IndexByte(text, '\n')
		if end < 1 || text[end-1] != '\r' {
			return false
		}
		line := text[:end-1]
		text = text[end+1:]
		colon := strings.IndexByte(line, ':')
		// No token starts with a space, so a folded line falls here; nor may a space stand before the colon.
		if colon < 1 || !token(line[:colon]) {
			return false
		}
		value := strings.Trim(line[colon+1:], " \t")
		if !fieldValue(value) {
			return false
		}
		name := canonical(line[:colon])
		if old := into[name]; old != nil {
			into[name] = append(old, value)
			continue
		}
		values[0] = value
		into[name] = values[:1:1]
		values = values[1:]
	}
	return true
}

// canonical returns the canonical form of a name, without an allocation where it has it already.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }
