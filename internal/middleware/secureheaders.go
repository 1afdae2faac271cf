package middleware

import "net/http"

// noContent lets an answer load nothing at all. It holds for what is no page; a page comes with the policy of package page, which lets
// it load the gateway's own assets.
const noContent = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"

// SecureHeaders is for every answer below the gateway's prefix. Strict is the value of Strict-Transport-Security (RFC 6797), "" for none.
func SecureHeaders(strict string, next http.Handler) http.Handler {
	fixed := map[string][]string{
		"Content-Security-Policy":    {noContent},
		"X-Frame-Options":            {"DENY"}, // for browsers that do not know frame-ancestors
		"X-Content-Type-Options":     {"nosniff"},
		"Cross-Origin-Opener-Policy": {"same-origin"},
		// CORP keeps other sites from loading our answers as images or scripts and measuring them.
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Referrer-Policy":              {"same-origin"},
		"Cache-Control":                {"no-store"},
	}
	if strict != "" {
		fixed["Strict-Transport-Security"] = []string{strict}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, values := range fixed {
			h[name] = values
		}
		next.ServeHTTP(w, r)
	})
}
