package middleware

import "net/http"

// noContent lets an answer load nothing at all. It holds for what is no page; a page comes with the policy of package page, which lets
// it load the gateway's own assets.
const noContent = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"

// SecureHeaders is for every answer below the gateway's prefix. With https the browser is told to come back by https only.
func SecureHeaders(https bool, next http.Handler) http.Handler {
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
	if https {
		fixed["Strict-Transport-Security"] = []string{"max-age=31536000"}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, values := range fixed {
			h[name] = values
		}
		next.ServeHTTP(w, r)
	})
}
