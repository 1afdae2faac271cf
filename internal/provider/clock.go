package provider

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Clock returns the time that the provider's answers carry (RFC 9110 section 6.6.1).
func (r *redirector) Clock(ctx context.Context) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.discovery.address(), nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the time: %w", err)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the time: %w", bare(err))
	}
	date, _ := http.ParseTime(res.Header.Get("Date")) // zero where there is none
	return date, res.Body.Close()
}
