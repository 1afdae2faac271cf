package gateway

import (
	"net/http"
	"net/url"
	"strings"
)

// overrides returns the methods that headers ask the CRM to take instead of the request's. Many frameworks obey, and which of several
// headers or values they obey differs.
//
// A "_method" in the query counts as well. One in a form's body is not seen, because bodies are not read here: for a CRM that obeys it, a
// rule must give POST what it gives the methods that a form can stand for.
func overrides(h http.Header, target string) []string {
	var methods []string
	if _, query, ok := strings.Cut(target, "?"); ok && strings.Contains(query, "method") {
		// Errors are in pairs that are left out; a CRM could read those otherwise, but not as a method.
		values, _ := url.ParseQuery(strings.ReplaceAll(query, ";", "&"))
		for name, vs := range values {
			if name == "_method" || name == "_HttpMethod" {
				methods = append(methods, vs...)
			}
		}
	}
	for name, values := range h {
		if !overrideName(name) {
			continue
		}
		for _, v := range values {
			for m := range strings.SplitSeq(v, ",") {
				if m = strings.TrimSpace(m); m != "" {
					methods = append(methods, m)
				}
			}
		}
	}
	return methods
}

// overrideName reports whether a header is one of those, also as a CRM behind CGI or WSGI reads its name.
func overrideName(name string) bool {
	for _, known := range [...]string{"x-http-method-override", "x-http-method", "x-method-override"} {
		same := len(name) == len(known)
		for i := 0; same && i < len(known); i++ {
			letter := known[i] != '-'
			same = letter && name[i]|0x20 == known[i] || !letter && (name[i] == '-' || name[i] == '_' || name[i] == '.')
		}
		if same {
			return true
		}
	}
	return false
}
