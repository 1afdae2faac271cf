package middleware

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"crmgate/internal/audit"
)

// identify gives a request the ids that no trusted proxy gave it. A new request id is the trace id of a new traceparent, so that a line
// in the log, a page with a reference and a trace are found by the same word; both are one string.
func identify(o *audit.Origin) {
	if o.Trace != "" && o.Reference != "" {
		return
	}
	fresh := newTraceparent()
	if o.Reference == "" {
		o.Reference = fresh[3:35]
	}
	if o.Trace == "" {
		o.Trace = fresh
	}
}

// newTraceparent returns "00-<trace id>-<parent id>-00" (W3C Trace Context, 3.2): not sampled, that is for others to decide. The ids only
// name things, so a fast generator serves.
func newTraceparent() string {
	var raw [24]byte
	for i := 0; i < len(raw); i += 8 {
		binary.LittleEndian.PutUint64(raw[i:], rand.Uint64()|1) // an id of nothing but zeros is invalid
	}
	var text [55]byte
	copy(text[:], "00-")
	hex.Encode(text[3:], raw[:16])
	text[35] = '-'
	hex.Encode(text[36:], raw[16:])
	copy(text[52:], "-00")
	return string(text[:])
}

// traceparent reports whether s is one of version 00. Later versions start anew with us: their form is not known yet.
func traceparent(s string) bool {
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	return hexID(s[3:35]) && hexID(s[36:52]) && (hexID(s[53:]) || s[53:] == "00")
}

// hexID reports whether s is small hexadecimal digits and not all zero.
func hexID(s string) bool {
	zero := true
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		zero = zero && c == '0'
	}
	return !zero
}

// requestID reports whether a proxy's id is fit for pages, headers and log lines.
func requestID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case c == '-', c == '_', c == '.', c == ':', c == '+', c == '/', c == '=':
		default:
			return false
		}
	}
	return true
}
