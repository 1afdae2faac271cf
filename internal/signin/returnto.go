package signin

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxReturnTo is the longest return address that is kept, in bytes.
const maxReturnTo = 8 << 10

// ReturnTo returns raw where it is a path with an optional query and fragment on our own origin, byte for byte, and "/"
// otherwise. Whatever a browser could read as another origin is refused: "//host", "/\host", control characters that
// browsers drop before parsing, and everything with a scheme.
func ReturnTo(raw string) string {
	const home = "/"
	if len(raw) == 0 || len(raw) > maxReturnTo || raw[0] != '/' || !utf8.ValidString(raw) {
		return home
	}
	if len(raw) > 1 && (raw[1] == '/' || raw[1] == '\\') {
		return home
	}
	for _, c := range raw {
		if c <= 0x20 || c == 0x7f || c == '\\' || (c >= 0x80 && c <= 0xa0) || c == '\u2028' || c == '\u2029' {
			return home
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, `/\`) {
		return home
	}
	return raw
}

// returnTo is ReturnTo, and "/" also for our own pages that make no sense to come back to.
func (f *Flow) returnTo(raw string) string {
	to := ReturnTo(raw)
	path, _, _ := strings.Cut(to, "?")
	if path == f.Prefix || strings.HasPrefix(path, f.Prefix+"/") {
		own := strings.TrimPrefix(path, f.Prefix)
		if own != "/account" && own != "/admin" && !strings.HasPrefix(own, "/account/") && !strings.HasPrefix(own, "/admin/") {
			return "/"
		}
	}
	return to
}
