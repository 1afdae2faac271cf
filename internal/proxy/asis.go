package proxy

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"crmgate/internal/fault"
)

const (
	// maxAsIs bounds what is read in many ways, in bytes; maxAsIsReadings how many ways there may be. A path that anybody needs has a handful.
	maxAsIs, maxAsIsReadings = 8 << 10, 96
)

// AsIs reads the target of a request for an upstream that wants every path untouched (paths_as_is). Target is byte for byte what the client
// sent, but for slashes at its beginning, of which there is one; Decoded and Others are every way in which a server could read it. Whoever decides must let only pass what may pass on each of
// them. What no server may be sent is refused as by Canonical: a form that is no path, bytes that are no URL's, and a path with more
// readings than anybody needs.
func AsIs(r *http.Request) (Path, error) {
	refused := func(reason string) (Path, error) {
		return Path{}, fault.New(fault.Invalid, "The address of this request cannot be read without doubt, so it was not passed on.").WithReason(reason)
	}
	switch r.Method {
	case http.MethodConnect, http.MethodTrace, "TRACK":
		return refused("method")
	}
	target, authority, reason := originForm(r.RequestURI)
	if reason != "" {
		return refused(reason)
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f || c == '#' {
			return refused("character")
		}
	}
	target = "/" + strings.TrimLeft(target, "/") // to some a target that begins with "//" names a host
	path, _, _ := strings.Cut(target, "?")
	if len(path) > maxAsIs {
		return refused("length")
	}
	all, ok := everyReading(path)
	if !ok {
		return refused("readings")
	}
	return Path{Decoded: all[0], Others: all[1:], Target: target, Authority: authority}, nil
}

// everyReading returns the ways in which servers are known to read a path, the usual one first, or false where there are too many. Each
// way is followed on from what the others give: servers stand behind one another, and each of them reads.
func everyReading(path string) ([]string, bool) {
	all := []string{cleaned(decodedOnce(path))}
	for _, first := range []string{path, decodedOnce(path)} {
		if !slices.Contains(all, first) {
			all = append(all, first)
		}
	}
	for i := 0; i < len(all); i++ {
		for _, read := range [...]func(string) string{
			decodedOnce, decodedButSlashes, cleaned, slashed, withoutParameters, beforeQuery, beforeControl, withoutControls,
			shortened, latin1, unicodeEscapes, WindowsNames,
		} {
			next := read(all[i])
			if !strings.HasPrefix(next, "/") {
				next = "/" + next
			}
			if slices.Contains(all, next) {
				continue
			}
			if len(all) == maxAsIsReadings {
				return nil, false
			}
			all = append(all, next)
		}
	}
	return all, true
}

// decodedOnce undoes percent-encoding and leaves what is none.
func decodedOnce(path string) string { return decodedBut(path, "") }

// decodedButSlashes is the reading of a server for which an encoded slash is a part of a name.
func decodedButSlashes(path string) string { return decodedBut(path, `/\`) }

func decodedBut(path, but string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if d, ok := escaped(path, i); c == '%' && ok && strings.IndexByte(but, d) < 0 {
			c = d
			i += 2
		}
		b = append(b, c)
	}
	return string(b)
}

// cleaned merges repeated slashes and follows dot segments (RFC 3986, 5.2.4); no path leaves the root.
func cleaned(path string) string {
	if !strings.Contains(path, "//") && !dotSegment(path) {
		return path
	}
	var out []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, s := range segments {
		switch last := i == len(segments)-1; {
		case s == "..":
			out = out[:max(len(out)-1, 0)]
			fallthrough
		case s == "." || s == "":
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}

// slashed takes backslashes for slashes, as Windows does.
func slashed(path string) string { return strings.ReplaceAll(path, `\`, "/") }

// beforeControl cuts at the first control character, as programs in C do at a NUL, and parsers of lines at the end of a line.
func beforeControl(path string) string {
	if i := strings.IndexFunc(path, isControl); i >= 0 {
		return path[:i]
	}
	return path
}

// withoutControls drops control characters, as browsers do with tabs and newlines (WHATWG URL, 4.4), and spaces at the end.
func withoutControls(path string) string {
	if strings.IndexFunc(path, isControl) >= 0 {
		b := make([]byte, 0, len(path))
		for i := range len(path) {
			if !isControl(rune(path[i])) {
				b = append(b, path[i])
			}
		}
		path = string(b)
	}
	return strings.TrimRight(path, " ")
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// shortened undoes encodings that are longer than UTF-8 allows (RFC 3629, 3): decoders that do not look take %c0%ae for a dot.
func shortened(path string) string {
	if utf8.ValidString(path) {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c&0xfe == 0xc0 && i+1 < len(path) && path[i+1]&0xc0 == 0x80:
			b = append(b, c<<6|path[i+1]&0x3f)
			i++
		case c == 0xe0 && i+2 < len(path) && path[i+1]&0xfe == 0x80 && path[i+2]&0xc0 == 0x80:
			b = append(b, path[i+1]<<6|path[i+2]&0x3f)
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// WindowsNames drops the dots and spaces that Windows drops at the end of a name.
func WindowsNames(path string) string {
	if !strings.Contains(path, "./") && !strings.Contains(path, " /") && !strings.HasSuffix(path, ".") && !strings.HasSuffix(path, " ") {
		return path
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if s = strings.TrimRight(s, " "); s != "." && s != ".." {
			s = strings.TrimRight(s, ". ")
		}
		segments[i] = s
	}
	return strings.Join(segments, "/")
}

// latin1 is the reading of a path that is not UTF-8 as ISO 8859-1.
func latin1(path string) string {
	if utf8.ValidString(path) {
		return path
	}
	b := make([]rune, 0, len(path))
	for i := range len(path) {
		b = append(b, rune(path[i]))
	}
	return string(b)
}

// unicodeEscapes undoes %uXXXX, which IIS and its kin know.
func unicodeEscapes(path string) string {
	if !strings.Contains(path, "%u") && !strings.Contains(path, "%U") {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if r, ok := unicodeEscape(path[i:]); ok {
			b.WriteRune(r)
			i += len("%uXXXX") - 1
			continue
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

func unicodeEscape(s string) (r rune, ok bool) {
	if len(s) < len("%uXXXX") || s[0] != '%' || s[1]|0x20 != 'u' {
		return 0, false
	}
	for i := 2; i < len("%uXXXX"); i++ {
		d := unhex(s[i])
		if d > 15 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}
