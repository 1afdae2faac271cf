package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Reply is what an address of the CRM answered.
type Reply struct {
	Status int
	// Date is the CRM's clock; zero where it does not tell.
	Date time.Time
}

// Probe asks an address of the CRM as the gateway would, with its certificate and its secret header: for health.path, or / where there is
// none. An error means that there was no answer.
func Probe(ctx context.Context, cfg Config, address string) (Reply, error) {
	path := cfg.Health.Path
	if path == "" {
		path = "/"
	}
	return askOnce(ctx, cfg, address, path)
}

// Stranger asks an address of the CRM as somebody would who has neither the gateway's certificate nor its secret header, and returns
// the status of the answer. An error means that there was none.
func Stranger(ctx context.Context, cfg Config, address string) (int, error) {
	cfg.TLS.CertFile, cfg.TLS.KeyFile, cfg.Identity.SecretHeader = "", "", SecretHeaderConfig{}
	reply, err := askOnce(ctx, cfg, address, "/")
	return reply.Status, err
}

func askOnce(ctx context.Context, cfg Config, address, path string) (Reply, error) {
	cfg.URLs, cfg.Identity.Assertion.Enabled = []string{address}, false
	u, err := Open(cfg, Shared{PublicURL: &url.URL{}})
	if err != nil {
		return Reply{}, err
	}
	defer u.Close()
	e := u.pool.endpoints[0]
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://crm/", nil)
	if err != nil {
		return Reply{}, fmt.Errorf("make request: %w", err)
	}
	r.URL, r.Host = &url.URL{Scheme: e.scheme, Host: e.host, Opaque: e.base + path}, e.host
	if u.secretName != "" {
		r.Header[u.secretName] = u.secret
	}
	res, err := e.transport.RoundTrip(r)
	if err != nil {
		return Reply{}, err
	}
	date, _ := http.ParseTime(res.Header.Get("Date")) // zero where there is none
	return Reply{res.StatusCode, date}, res.Body.Close()
}
