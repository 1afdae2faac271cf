package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// badChecks in a row take an address out; one good check brings it back.
	badChecks = 2
	// longestCheck bounds one check, where the interval does not.
	longestCheck = 10 * time.Second
	// checkedBody is how much of a check's answer is read, so that its connection can be used again.
	checkedBody = 64 << 10
)

// Run asks each address for health.path until ctx ends. Without a health.path it returns at once.
func (u *Upstream) Run(ctx context.Context) error {
	if u.cfg.Health.Path == "" {
		return nil
	}
	var wg sync.WaitGroup
	for _, e := range u.pool.endpoints {
		wg.Go(func() { u.watch(ctx, e) })
	}
	wg.Wait()
	return nil
}

// watch checks one address again and again.
func (u *Upstream) watch(ctx context.Context, e *endpoint) {
	t := time.NewTicker(u.cfg.Health.Interval)
	defer t.Stop()
	for bad := 0; ; {
		err := u.check(ctx, e)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			bad = 0
		} else {
			bad++
		}
		if down := bad >= badChecks; down != e.down.Load() && (down || bad == 0) {
			e.down.Store(down)
			u.tell(e, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (u *Upstream) tell(e *endpoint, err error) {
	switch {
	case u.Log == nil:
	case err != nil:
		u.Log.Warn("an address of the CRM fails its health check", "upstream", u.cfg.ID, "url", e.address, "error", err)
	default:
		u.Log.Info("an address of the CRM passes its health check again", "upstream", u.cfg.ID, "url", e.address)
	}
}

// check asks once. Any answer below 400 is good.
func (u *Upstream) check(ctx context.Context, e *endpoint) error {
	ctx, cancel := context.WithTimeout(ctx, min(u.cfg.Health.Interval, longestCheck))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://crm/", nil)
	if err != nil {
		return fmt.Errorf("make health check: %w", err)
	}
	r.URL = &url.URL{Scheme: e.scheme, Host: e.host, Opaque: e.base + u.cfg.Health.Path}
	if r.Host = e.host; u.cfg.PreserveHost {
		r.Host = u.PublicURL.Host // a CRM that knows its own name refuses others
		if len(u.cfg.Hosts) > 0 {
			r.Host = u.cfg.Hosts[0]
		}
	}
	r.Header = http.Header{"User-Agent": {"crmgate-health"}}
	u.knock(r.Header)
	res, err := e.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.CopyN(io.Discard, res.Body, checkedBody); err != nil && err != io.EOF {
		return fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("answer has status %d", res.StatusCode)
	}
	return nil
}
