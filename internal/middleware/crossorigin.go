package middleware

import (
	"fmt"
	"net/http"
	"net/url"

	"crmgate/internal/fault"
)

// CrossOrigin refuses requests that change something and that a page of another origin made (net/http.CrossOriginProtection: by
// Sec-Fetch-Site, else by Origin against Host). Exempt are ServeMux patterns that other sites post to by design; those must prove what
// they receive by other means.
func CrossOrigin(public *url.URL, fail Failer, exempt []string, next http.Handler) (http.Handler, error) {
	c := http.NewCrossOriginProtection()
	// A proxy in front may rewrite Host; then only this tells our own pages.
	if err := c.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, fmt.Errorf("trust public_url as an origin: %w", err)
	}
	for _, pattern := range exempt {
		c.AddInsecureBypassPattern(pattern)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.Check(withOrigin(r)); err != nil {
			fail.Fail(w, r, fault.Wrap(fault.Forbidden, "This request came from another site and was refused. Open the page here and try again.", err).
				WithReason("cross_origin"))
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

// withOrigin returns a request to be judged: where all that it says of its origin is a Referer (old browsers, and what strips the newer
// headers), the Referer's origin stands in.
func withOrigin(r *http.Request) *http.Request {
	h := r.Header
	if h.Get("Sec-Fetch-Site") != "" || h.Get("Origin") != "" || h.Get("Referer") == "" {
		return r
	}
	origin := "null"
	if from, err := url.Parse(h.Get("Referer")); err == nil && from.Host != "" {
		origin = from.Scheme + "://" + from.Host
	}
	judged := r.Clone(r.Context())
	judged.Header.Set("Origin", origin)
	return judged
}
