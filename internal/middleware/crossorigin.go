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
	c.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail.Fail(w, r, fault.New(fault.Forbidden, "This request came from another site and was refused. Open the page here and try again.").WithReason("cross_origin"))
	}))
	return c.Handler(next), nil
}
