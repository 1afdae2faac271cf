package wire

import (
	"errors"
	"fmt"
	"net"
)

// errInjection is a name or value that would end its line.
var errInjection = errors.New("header field would break its line")

// Lines are header lines that are written as they are, ready for many requests.
type Lines struct{ buf []byte }

// Add appends one line. A name that is no token, or a value with a control character other than a tab, is an error and nothing is added.
func (l *Lines) Add(name, value string) error {
	if !token(name) || !fieldValue(value) {
		return fmt.Errorf("write header %q: %w", name, errInjection)
	}
	l.buf = appendLine(l.buf, name, value)
	return nil
}

// Len returns the length of the lines in bytes.
func (l *Lines) Len() int { return len(l.buf) }

// Head is the head of one request. Start makes it ready for the next one.
type Head struct {
	// Taken, if not nil, gets each connection before the request is sent on it, for one purpose: to be closed by another goroutine while the
	// answer is waited for or read, which then ends with an error. It must not be touched once Do has failed or the Answer is
	// closed. Where Taken returns false nothing is sent, and the error is net.ErrClosed.
	Taken func(net.Conn) bool

	buf  []byte
	head bool
	err  error
}

// Start begins a request line and its Host. Method must be GET or HEAD; target is sent as it is.
func (h *Head) Start(method, target, host string) {
	h.buf, h.err, h.head = h.buf[:0], nil, method == "HEAD"
	if (method != "GET" && method != "HEAD") || !visible(target) || target == "" || !visible(host) {
		h.err = fmt.Errorf("write request line: %w", errInjection)
		return
	}
	h.buf = append(h.buf, method...)
	h.buf = append(h.buf, ' ')
	h.buf = append(h.buf, target...)
	h.buf = append(h.buf, " HTTP/1.1\r\nHost: "...)
	h.buf = append(h.buf, host...)
	h.buf = append(h.buf, "\r\n"...)
}

// Add appends one line. One that cannot be sent makes Client.Do fail.
func (h *Head) Add(name, value string) {
	if !token(name) || !fieldValue(value) {
		h.err = fmt.Errorf("write header %q: %w", name, errInjection)
		return
	}
	h.buf = appendLine(h.buf, name, value)
}

// AddLines appends lines that are ready.
func (h *Head) AddLines(l *Lines) { h.buf = append(h.buf, l.buf...) }

func appendLine(buf []byte, name, value string) []byte {
	buf = append(buf, name...)
	buf = append(buf, ": "...)
	buf = append(buf, value...)
	return append(buf, "\r\n"...)
}

// Classes of bytes.
const (
	isToken   = 1 << iota // RFC 9110 section 5.6.2
	isValue               // RFC 9110 section 5.5: visible, space, tab, obs-text
	isVisible             // no space and no control character
	isHex
)

var classes = makeClasses()

func makeClasses() (t [256]byte) {
	for i := range t {
		c := byte(i)
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[i] |= isValue
		}
		if c > ' ' && c != 0x7f {
			t[i] |= isVisible
		}
		switch {
		case '0' <= c && c <= '9':
			t[i] |= isToken | isHex
		case 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			t[i] |= isToken | isHex
		case 'g' <= c && c <= 'z', 'G' <= c && c <= 'Z':
			t[i] |= isToken
		}
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] |= isToken
	}
	return t
}

func all[T string | []byte](s T, class byte) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

func token[T string | []byte](s T) bool      { return len(s) > 0 && all(s, isToken) }
func fieldValue[T string | []byte](s T) bool { return all(s, isValue) }
func visible(s string) bool                  { return all(s, isVisible) }
