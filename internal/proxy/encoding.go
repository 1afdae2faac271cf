package proxy

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// The values of IdentityConfig.Encoding and Groups.
const (
	encodingUTF8    = "utf8"
	encodingRFC8187 = "rfc8187"
	groupsComma     = "comma"
	groupsPipe      = "pipe"
	groupsJSON      = "json"
)

// format is how one upstream wants its values.
type format struct {
	encoding, groups string
}

// value makes a value fit for a header.
func (f format) value(s string) string {
	s = printable(s)
	if f.encoding == encodingRFC8187 && (!ascii(s) || extended(s)) {
		return extValue(s)
	}
	return s
}

// join makes one value of groups. What separates them is escaped within a name, and so is the percent sign that escapes: a CRM that
// splits at every separator, as most do, never takes a part of a name for a group of its own.
func (f format) join(groups []string) string {
	names := make([]string, 0, len(groups))
	for _, g := range groups {
		if g = printable(g); g != "" {
			names = append(names, g)
		}
	}
	separator, escaped := ",", "%2C"
	switch f.groups {
	case groupsJSON:
		return f.jsonList(names)
	case groupsPipe:
		separator, escaped = "|", "%7C"
	}
	escape := strings.NewReplacer("%", "%25", separator, escaped)
	for i := range names {
		names[i] = escape.Replace(names[i])
	}
	return strings.Join(names, separator)
}

// jsonList writes a list, also an empty one. Where values beyond ASCII are not wanted JSON has a way of its own to write them.
func (f format) jsonList(names []string) string {
	b, err := json.Marshal(names)
	if err != nil {
		return "[]" // strings always marshal
	}
	if f.encoding != encodingRFC8187 || ascii(string(b)) {
		return string(b)
	}
	var out strings.Builder
	const hex = "0123456789abcdef"
	unit := func(u rune) {
		out.WriteString(`\u`)
		for shift := 12; shift >= 0; shift -= 4 {
			out.WriteByte(hex[u>>shift&15])
		}
	}
	for _, r := range string(b) {
		switch {
		case r < utf8.RuneSelf:
			out.WriteRune(r)
		case r > 0xffff: // a pair of surrogates (RFC 8259, 7)
			unit(0xd800 + (r-0x10000)>>10)
			unit(0xdc00 + (r-0x10000)&0x3ff)
		default:
			unit(r)
		}
	}
	return out.String()
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// extended reports whether a value would be taken for an encoded one: a name that somebody chose must not decode to another.
func extended(s string) bool {
	for _, charset := range [...]string{"utf-8'", "iso-8859-1'"} {
		if len(s) >= len(charset) && strings.EqualFold(s[:len(charset)], charset) {
			return true
		}
	}
	return false
}

// extValue writes a value as RFC 8187, 3.2.1 does.
func extValue(s string) string {
	const hex, plain = "0123456789ABCDEF", "!#$&+-.^_`|~"
	b := append(make([]byte, 0, 3*len(s)), "UTF-8''"...)
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(plain, c) >= 0:
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
