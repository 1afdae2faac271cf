package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// Stranger asks an address of the CRM as somebody would who has neither the gateway's certificate nor its secret header, and returns
// the status of the answer. An error means that there was none.
func Stranger(ctx context.Context, cfg Config, address string) (int, error) {
	cfg.TLS.CertFile, cfg.TLS.KeyFile = "", ""
	cfg.URLs, cfg.Identity.SecretHeader, cfg.Identity.Assertion.Enabled = []string{address}, SecretHeaderConfig{}, false
	u, err := Open(cfg, Shared{PublicURL: &url.URL{}})
	if err != nil {
		return 0, err
	}
	defer u.Close()
	e := u.pool.endpoints[0]
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://crm/", nil)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	r.URL, r.Host = &url.URL{Scheme: e.scheme, Host: e.host, Opaque: e.base + "/"}, e.host
	res, err := e.transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}
