package middleware

import "net/http"

// ToPublic sends whoever came by plain HTTP to the public address. Only what reads is sent on: a form that was posted has been read on the
// way already, and an API client that speaks plain HTTP should notice (it would go on to send its token in the clear).
func ToPublic(publicURL string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Authorization") != "" {
			http.Error(w, "This address is "+publicURL+".", http.StatusBadRequest)
			return
		}
		target := r.URL.EscapedPath()
		if target == "" || target[0] != '/' || len(target) > 1 && (target[1] == '/' || target[1] == '\\') {
			target = "/"
		}
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", publicURL+target)
		w.WriteHeader(http.StatusPermanentRedirect)
	})
}
