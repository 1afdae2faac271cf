package gateway_test

import (
	"net/url"
	"path"
	"strings"
)

// serversReadings is how other code reads a target: our own readings must hold each of them.
func serversReadings(target string) map[string]string {
	raw, _, _ := strings.Cut(target, "?")
	out := map[string]string{"bytes": raw}
	if u, err := url.ParseRequestURI(raw); err == nil && !strings.HasPrefix(raw, "//") && u.Host == "" {
		out["net/url"] = u.Path
		out["ServeMux"] = muxClean(u.Path)
	}
	return out
}

// muxClean is what http.ServeMux makes of a path.
func muxClean(p string) string {
	if p == "" {
		return "/"
	}
	c := path.Clean(p)
	if strings.HasSuffix(p, "/") && c != "/" {
		c += "/"
	}
	return c
}
