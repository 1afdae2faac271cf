package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Failer is the one exit for errors (package page).
type Failer interface {
	// Fail answers a request with what an error means to the person.
	Fail(w http.ResponseWriter, r *http.Request, err error)
}

// Shared is what every upstream needs of the gateway around it.
type Shared struct {
	// PublicURL is the address people use; the issuer of assertions, and the origin that WebSockets may be opened from.
	PublicURL *url.URL
	// Names is made from the configuration of all upstreams.
	Names *Names
	// Signer signs assertions; nil where no upstream wants them.
	Signer *Signer
	Fail   Failer
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Upstream is the way to one CRM. It is safe for concurrent use.
type Upstream struct {
	Shared
	cfg       Config
	transport *http.Transport
	// short is nil where there is no short way.
	short *short
	// target is the CRM's address; base is its path, which goes before that of the request.
	target *url.URL
	base   string
	// headers are the identity headers; audience is empty where no assertion is wanted.
	headers          []identityHeader
	issuer, audience string
	buffers          buffers
}

type identityHeader struct {
	name  string
	value func(Person) string
}

const (
	idlePerHost    = 1024 // the default of 2 makes a busy proxy dial for nearly every request
	idleTimeout    = 90 * time.Second
	continueWait   = time.Second
	maxAnswerBytes = 1 << 20
)

// Open prepares an upstream; cfg must have passed Validate. It reads the TLS files and does not ask the network.
func Open(cfg Config, shared Shared) (*Upstream, error) {
	for _, p := range cfg.Validate() {
		if !p.Warning {
			return nil, fmt.Errorf("open upstream %q: %s: %s", cfg.ID, p.Path, p.Message)
		}
	}
	target, err := url.Parse(cfg.URLs[0])
	if err != nil {
		return nil, fmt.Errorf("open upstream %q: %w", cfg.ID, err)
	}
	u := &Upstream{Shared: shared, cfg: cfg, target: target, base: strings.TrimSuffix(target.EscapedPath(), "/"),
		buffers: newBuffers()}
	headers := cfg.Identity.Headers
	if len(headers) == 0 {
		headers = DefaultHeaders()
	}
	for _, h := range headers {
		u.headers = append(u.headers, identityHeader{http.CanonicalHeaderKey(h.Name), values()[h.Value]})
	}
	if cfg.Identity.Assertion.Enabled {
		if shared.Signer == nil {
			return nil, fmt.Errorf("open upstream %q: no key to sign assertions with", cfg.ID)
		}
		u.issuer, u.audience = shared.PublicURL.String(), cfg.Identity.Assertion.Audience
		if u.audience == "" {
			u.audience = cfg.ID
		}
	}
	if u.transport, err = newTransport(cfg); err != nil {
		return nil, fmt.Errorf("open upstream %q: %w", cfg.ID, err)
	}
	u.short = newShort(cfg, target.Scheme, target.Host)
	return u, nil
}

func newTransport(cfg Config) (*http.Transport, error) {
	tlsConfig, err := newTLS(cfg.TLS)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: cfg.Timeouts.Connect, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    cfg.Timeouts.Connect,
		TLSClientConfig:        tlsConfig,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  cfg.Timeouts.ResponseHeader,
		ExpectContinueTimeout:  continueWait,
		MaxResponseHeaderBytes: maxAnswerBytes,
		DisableCompression:     true, // what the CRM sends is passed on as it is
	}, nil
}

func newTLS(cfg TLSConfig) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.ServerName}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("read tls.ca_file: no certificate in it")
		}
	}
	if cfg.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Config returns what the upstream was opened with.
func (u *Upstream) Config() Config { return u.cfg }

// Close gives up the idle connections.
func (u *Upstream) Close() {
	u.transport.CloseIdleConnections()
	if u.short != nil {
		u.short.client.Close()
	}
}

func (u *Upstream) now() time.Time {
	if u.Now != nil {
		return u.Now()
	}
	return time.Now()
}
