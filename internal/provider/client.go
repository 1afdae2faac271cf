package provider

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// askTimeout together with maxPause keeps the promise that a provider that works again is usable within 20 seconds.
	askTimeout = 10 * time.Second
	// maxAnswer is the size in bytes from which an answer is refused.
	maxAnswer = 1 << 20
)

// errTooLarge is an answer beyond maxAnswer.
var errTooLarge = errors.New("the answer is larger than 1 MB")

// errWebPage is an answer for people.
var errWebPage = errors.New("the answer is a web page")

// statusError is an answer with another status than 200. The body stays out of it: nobody knows what is in there.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("the answer has status %d", int(e)) }

// newClient returns the HTTP client of one provider: bounded in time and size, and never led elsewhere.
func newClient(roots *x509.CertPool, timeout time.Duration) *http.Client {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           16,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{Transport: bounded{transport}, Timeout: timeout, CheckRedirect: stayHere}
}

// stayHere follows a redirect only where a question that changes nothing is sent on within one origin. A code, a secret and an
// access token never travel to an address that an answer named.
func stayHere(req *http.Request, via []*http.Request) error {
	first := via[0]
	same := req.URL.Scheme == first.URL.Scheme && req.URL.Host == first.URL.Host
	if first.Method != http.MethodGet || !same || len(via) > 3 {
		return http.ErrUseLastResponse
	}
	return nil
}

// bounded reads every answer whole and refuses one that is too large, also after decompression.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, errTooLarge
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// getJSON asks for a JSON object and decodes it. A non-empty bearer is sent along.
func getJSON(ctx context.Context, client *http.Client, address, bearer string, into any) error {
	body, _, err := get(ctx, client, address, bearer)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("ask %s: decode answer: %w", address, err)
	}
	return nil
}

// get asks for an answer that is no web page and returns it with its media type. A non-empty bearer is sent along.
func get(ctx context.Context, client *http.Client, address, bearer string) (body []byte, kind string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", fmt.Errorf("ask %s: %w", address, err)
	}
	req.Header.Set("Accept", "application/json, application/jwt;q=0.9")
	// A cache between us and the provider must not answer with keys of yesterday.
	req.Header.Set("Cache-Control", "no-cache")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, "", fmt.Errorf("ask %s: %w", address, bare(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("ask %s: %w", address, statusError(res.StatusCode))
	}
	kind, _, err = mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err == nil && kind == "text/html" {
		return nil, "", fmt.Errorf("ask %s: %w", address, errWebPage)
	}
	if body, err = io.ReadAll(res.Body); err != nil {
		return nil, "", fmt.Errorf("ask %s: %w", address, err)
	}
	return body, kind, nil
}

// bare takes the address off a client's error, which we write ourselves.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
