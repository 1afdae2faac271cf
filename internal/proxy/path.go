package proxy

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"crmgate/internal/fault"
)

// Path is a request target after hygiene: what is decided on and what is sent are made from the same bytes in one place.
type Path struct {
	// Decoded is the path that rules are matched on: percent-decoded once, repeated slashes made one.
	Decoded string
	// Others are the ways a less careful server could read the same path: without path parameters (";"), cut off at an encoded
	// "?" or "#", decoded again. Whoever decides on Decoded must come to the same end on each of them or refuse. Nearly always nil.
	Others []string
	// Target is what the upstream is sent: path and query byte for byte as received, but for repeated slashes in the path.
	Target string
	// Authority is the host of a target in absolute form (RFC 9112, 3.2.2), empty for the usual form.
	Authority string
}

// maxReadings bounds Others. Honest requests have none or one.
const maxReadings = 8

// Canonical reads the target of a request that a server received. A target that two servers could read differently is refused with
// fault.Invalid and a reason word for the log.
func Canonical(r *http.Request) (Path, error) {
	switch r.Method {
	case http.MethodConnect, http.MethodTrace, "TRACK":
		return Path{}, fault.New(fault.Invalid, "Requests of this kind are not accepted here.").WithReason("method")
	}
	p, reason := canonical(r.RequestURI)
	if reason != "" {
		return Path{}, fault.New(fault.Invalid, "The address of this request cannot be read without doubt, so it was not passed on.").WithReason(reason)
	}
	return p, nil
}

func canonical(target string) (p Path, reason string) {
	target, p.Authority, reason = originForm(target)
	if reason != "" {
		return p, reason
	}
	path, query := target, ""
	if i := strings.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i:]
	}
	for i := range len(query) {
		if query[i] <= ' ' || query[i] == 0x7f || query[i] == '#' {
			return p, "character"
		}
	}
	plain, reason := scan(path)
	switch {
	case reason != "":
		return p, reason
	case plain:
		p.Decoded, p.Target = path, target
		return p, ""
	}
	sent := collapse(path)
	if p.Decoded, reason = decode(sent); reason != "" {
		return p, reason
	}
	if p.Others, reason = readings(p.Decoded); reason != "" {
		return p, reason
	}
	p.Target = sent + query
	return p, ""
}

// originForm turns a target in absolute form into the usual one and refuses the forms that are no request for a page.
func originForm(target string) (origin, authority, reason string) {
	if strings.HasPrefix(target, "/") {
		return target, "", ""
	}
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", "", "form"
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority = rest[:end]
	if authority == "" || strings.ContainsAny(authority, "@\\% ") {
		return "", "", "form"
	}
	if rest = rest[end:]; !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return rest, authority, ""
}

// scan looks at each byte once. It reports whether the path is plain, that is, its own canonical form; most are.
func scan(path string) (plain bool, reason string) {
	plain = true
	last := byte(0)
	for i := range len(path) {
		c := path[i]
		switch {
		case c <= ' ' || c == 0x7f || c == '#':
			return false, "character"
		case c == '\\':
			return false, "backslash"
		case c == '%' || c == ';' || c >= utf8.RuneSelf || last == '/' && (c == '/' || c == '.'):
			plain = false
		}
		last = c
	}
	return plain, ""
}

func collapse(path string) string {
	if !strings.Contains(path, "//") {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := range len(path) {
		if path[i] != '/' || len(b) == 0 || b[len(b)-1] != '/' {
			b = append(b, path[i])
		}
	}
	return string(b)
}

// decode undoes percent-encoding once and refuses what has more than one meaning.
func decode(path string) (decoded, reason string) {
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			var ok bool
			if c, ok = escaped(path, i); !ok {
				return "", "escape"
			}
			switch {
			case c == '/':
				return "", "encoded_slash"
			case c == '\\':
				return "", "backslash"
			}
			i += 2
		}
		b = append(b, c)
	}
	decoded = string(b)
	return decoded, unclear(decoded)
}

func escaped(s string, i int) (byte, bool) {
	if i+2 >= len(s) {
		return 0, false
	}
	hi, lo := unhex(s[i+1]), unhex(s[i+2])
	return hi<<4 | lo, hi < 16 && lo < 16
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// unclear says why a decoded path must not be passed on, or "".
func unclear(path string) string {
	switch {
	case !utf8.ValidString(path):
		return "utf8"
	case strings.ContainsFunc(path, unicode.IsControl):
		return "character"
	case dotSegment(path):
		return "dot_segment"
	}
	return ""
}

func dotSegment(path string) bool {
	for rest := path; rest != ""; {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		// Windows drops spaces at the end of a name.
		if segment = strings.TrimRight(segment, " "); segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// readings follows every way of reading on from the decoded path, and from what that gives, until nothing new turns up. A path that
// hides a dot segment or a NUL from the first reading and shows it to another is refused like one that shows it at once.
func readings(decoded string) (others []string, reason string) {
	if !strings.ContainsAny(decoded, ";?#%") {
		return nil, ""
	}
	all := []string{decoded}
	for i := 0; i < len(all); i++ {
		for _, next := range [...]string{withoutParameters(all[i]), beforeQuery(all[i]), decodedAgain(all[i]), unicodeEscapes(all[i])} {
			if slices.Contains(all, next) {
				continue
			}
			if dotSegment(next) || strings.Contains(next, "\x00") {
				return nil, "hidden"
			}
			if len(all) > maxReadings {
				return nil, "readings"
			}
			all = append(all, next)
		}
	}
	if len(all) == 1 {
		return nil, ""
	}
	return all[1:], ""
}

// withoutParameters removes what follows a ";" in each segment, as servlet containers do (RFC 3986, 3.3).
func withoutParameters(path string) string {
	if !strings.Contains(path, ";") {
		return path
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return collapse(strings.Join(segments, "/"))
}

// beforeQuery cuts at a "?" or "#" that was encoded: a server that decodes before it parses does.
func beforeQuery(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return path[:i]
	}
	return path
}

// decodedAgain is the reading of a server, or of two in a row, that decodes twice and takes a backslash for a slash.
func decodedAgain(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if d, ok := escaped(path, i); c == '%' && ok {
			c = d
			i += 2
		}
		if c == '\\' {
			c = '/'
		}
		b = append(b, c)
	}
	return collapse(string(b))
}
