package proxy

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Names knows the header and cookie names that only the gateway may use, and takes them out of requests and responses. It is made
// once from every upstream, so that a header of one upstream cannot be forged on the way to another.
type Names struct {
	// headers are folded names; lengths and letters have a bit for each length and first letter that occurs, so that most names
	// are dismissed by two shifts.
	headers map[string]struct{}
	lengths uint64
	letters uint32
	cookies []string
	// bound is true where any upstream binds cookies: those that it binds reach the others as well.
	bound bool
}

// managed are the names that are always the gateway's, whatever an upstream configures. Those that no upstream asks for are removed
// all the same: they choose another path, address or person in one CRM or another. All of X-Forwarded-* is covered by its prefix.
var managed = [...]string{
	"X-Crmgate-Provider", AssertionHeader, "X-Crmgate-Forward-Secret", "X-Forwarded", "Forwarded", "X-Real-Ip", "X-Request-Id", "Traceparent", "Tracestate",
	"X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", // IIS and its imitators serve this path instead of the one that was decided on
	"Proxy", // becomes HTTP_PROXY in CGI programs (CVE-2016-5385)
}

const forwardedPrefix = "x-forwarded-"

// NewNames collects the names of all upstreams. Cookies are the gateway's own cookie names; one that ends in "*" stands for every
// name that begins like it.
func NewNames(upstreams []Config, cookies []string) *Names {
	n := &Names{headers: map[string]struct{}{}}
	for _, name := range managed {
		n.add(name)
	}
	for _, u := range upstreams {
		for _, h := range u.Identity.Headers {
			if h.Name != "" {
				n.add(h.Name)
			}
		}
		if u.Cookies.Bind && !n.bound {
			n.bound = true
			n.cookies = append(n.cookies, besidePrefix+"*")
		}
		if name := u.Identity.SecretHeader.Name; name != "" {
			n.add(name)
		}
	}
	for _, c := range cookies {
		n.cookies = append(n.cookies, strings.ToLower(c))
	}
	return n
}

func (n *Names) add(name string) {
	n.headers[string(fold(nil, name))] = struct{}{}
	n.lengths |= 1 << min(len(name), 63)
	n.letters |= 1 << (name[0] & 31)
}

// fold appends a header name as the least careful server sees it: CGI turns "-" into "_", PHP "." as well, Apache whatever is no
// letter or digit.
func fold(buf []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		default:
			c = '-'
		}
		buf = append(buf, c)
	}
	return buf
}

// Managed reports whether a header name is the gateway's own in any spelling.
func (n *Names) Managed(name string) bool {
	if name == "" {
		return false
	}
	prefixed := len(name) >= len(forwardedPrefix) && name[0]|0x20 == 'x' && name[2]|0x20 == 'f'
	if !prefixed && (n.lengths>>min(len(name), 63)&1 == 0 || n.letters>>(name[0]&31)&1 == 0) {
		return false
	}
	var buf [64]byte
	folded := fold(buf[:0], name)
	if prefixed && string(folded[:len(forwardedPrefix)]) == forwardedPrefix {
		return true
	}
	_, ok := n.headers[string(folded)]
	return ok
}

// Strip removes from a request's header what only the gateway may say, and the gateway's own cookies. With underscores false every
// name with "_" goes, because a CRM behind CGI or WSGI cannot tell it from the same name with "-".
func (n *Names) Strip(h http.Header, underscores bool) {
	for name := range h {
		if n.refused(name, underscores) {
			delete(h, name)
		}
	}
	n.stripCookies(h)
}

// stripRequest is Strip for a request that is sent on: the headers that end here go in the same pass.
func (n *Names) stripRequest(h http.Header, underscores bool) {
	dropNominated(h)
	for name := range h {
		if hopByHop(name) || n.refused(name, underscores) {
			delete(h, name)
		}
	}
	n.stripCookies(h)
}

func (n *Names) refused(name string, underscores bool) bool {
	return n.Managed(name) || !underscores && strings.IndexByte(name, '_') >= 0
}

// hopByHop reports whether a header ends at the gateway (RFC 9110, 7.6.1, and RFC 2616, 13.5.1).
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// trailable reports whether a field may come behind a body (RFC 9110, 6.5.1). Who adds trailers to the head would otherwise read another
// length, host, session or credential there than was decided on.
func trailable(name string) bool {
	switch name {
	case "Authorization", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Cookie", "Expect", "Host", "Max-Forwards",
		"Pragma", "Range", "Set-Cookie", "Www-Authenticate":
		return false
	}
	return !hopByHop(name) && !strings.HasPrefix(name, "If-")
}

// dropNominated removes the headers that Connection names. It runs before the gateway's own headers are set: a client must not be able
// to nominate those.
func dropNominated(h http.Header) {
	for _, field := range h["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			if name = textproto.TrimString(name); name != "" && !strings.EqualFold(name, "keep-alive") && !strings.EqualFold(name, "close") {
				h.Del(name)
			}
		}
	}
}

// removeHopByHop removes the headers that belong to one connection, with those that Connection nominates.
func removeHopByHop(h http.Header) {
	dropNominated(h)
	for name := range h {
		if hopByHop(name) {
			delete(h, name)
		}
	}
}

// own reports whether a cookie of this name is the gateway's.
func (n *Names) own(name string) bool {
	for _, c := range n.cookies {
		if prefix, ok := strings.CutSuffix(c, "*"); ok {
			if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
				return true
			}
		} else if len(name) == len(c) && strings.EqualFold(name, c) {
			return true
		}
	}
	return false
}

// stripCookies removes the gateway's cookies and leaves every other byte as it is.
func (n *Names) stripCookies(h http.Header) {
	lines := h["Cookie"]
	empty := false
	for i, line := range lines {
		if lines[i] = n.withoutOwn(line); lines[i] == "" && line != "" {
			empty = true
		}
	}
	if !empty {
		return
	}
	if lines = slices.DeleteFunc(lines, func(s string) bool { return s == "" }); len(lines) == 0 {
		delete(h, "Cookie")
	} else {
		h["Cookie"] = lines
	}
}

// withoutOwn returns a Cookie line without the gateway's cookies. Each part that stays is a part of the line, byte for byte.
func (n *Names) withoutOwn(line string) string {
	left, rest, found := n.cut(line)
	if !found {
		return line
	}
	next, more, again := n.cut(rest)
	if !again { // nearly always: one cookie of ours, one copy at most
		return join(left, rest)
	}
	out := append(make([]byte, 0, len(line)), left...)
	for again {
		out = append(appendGap(out), next...)
		rest = more
		next, more, again = n.cut(rest)
	}
	if rest != "" {
		return string(append(appendGap(out), rest...))
	}
	return strings.TrimRight(string(out), "; \t")
}

// cut parts a line at the first cookie of ours.
func (n *Names) cut(line string) (left, right string, found bool) {
	for start := 0; start < len(line); {
		end := len(line)
		if i := strings.IndexByte(line[start:], ';'); i >= 0 {
			end = start + i
		}
		if n.own(cookieName(line[start:end])) {
			return line[:start], strings.TrimLeft(line[min(end+1, len(line)):], " \t"), true
		}
		start = end + 1
	}
	return "", line, false
}

func appendGap(out []byte) []byte {
	if len(out) > 0 && out[len(out)-1] == ';' {
		out = append(out, ' ')
	}
	return out
}

// join puts two parts of a Cookie line together where a cookie between them was taken out.
func join(left, right string) string {
	switch {
	case right == "":
		return strings.TrimRight(left, "; \t")
	case left == "":
		return right
	}
	return left + " " + right
}

func cookieName(pair string) string {
	if i := strings.IndexByte(pair, '='); i >= 0 {
		pair = pair[:i]
	}
	return strings.Trim(pair, " \t")
}

// stripSetCookies keeps an upstream from setting or clearing the gateway's cookies: it could sign people out, or in as somebody else.
func (n *Names) stripSetCookies(h http.Header) {
	if lines := h["Set-Cookie"]; len(lines) > 0 {
		h["Set-Cookie"] = slices.DeleteFunc(lines, func(line string) bool {
			pair, _, _ := strings.Cut(line, ";")
			// Browsers once took "=name=value" for a cookie of that name.
			return n.own(cookieName(strings.TrimLeft(pair, "= \t")))
		})
	}
}
