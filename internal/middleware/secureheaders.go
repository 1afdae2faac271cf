package middleware

import "net/http"

// contentSecurityPolicy lets the gateway's pages load what the gateway serves and nothing else.
//
// There is no form-action on purpose. Browsers apply it to every redirect that follows a form, and the sign-in form leads to the provider,
// from there to whatever the provider federates with, and back; nobody can list those origins. Pages escape what they show and have no
// inline script, so there is no foreign form on them that the directive would stop.
const contentSecurityPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// SecureHeaders is for the gateway's own pages. With https the browser is told to come back by https only.
func SecureHeaders(https bool, next http.Handler) http.Handler {
	fixed := map[string][]string{
		"Content-Security-Policy":    {contentSecurityPolicy},
		"X-Frame-Options":            {"DENY"}, // for browsers that do not know frame-ancestors
		"X-Content-Type-Options":     {"nosniff"},
		"Cross-Origin-Opener-Policy": {"same-origin"},
		// CORP keeps other sites from loading our answers as images or scripts and measuring them.
		"Cross-Origin-Resource-Policy": {"same-origin"},
		// Not no-referrer: with it browsers send "Origin: null" with our own forms, and those that do not send Sec-Fetch-Site as
		// well could not sign in.
		"Referrer-Policy": {"same-origin"},
		"Cache-Control":   {"no-store"},
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
