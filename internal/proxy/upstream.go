package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
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
	// Alive tells whether a session still lives; nil lets requests outlive theirs. session.Manager.Alive is one.
	Alive Alive
	// Log takes what happens to the CRM's addresses; nil is silent.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Upstream is the way to one CRM. It is safe for concurrent use.
type Upstream struct {
	Shared
	cfg  Config
	pool pool
	// transports are those of the addresses: one for HTTP/1.1 and HTTP/2 over TLS, one for HTTP/2 without.
	transports []*http.Transport
	// headers are the identity headers; audience is empty where no assertion is wanted.
	headers          []identityHeader
	format           format
	issuer, audience string
	// secret is what tells the CRM that a request came through here; nil for none.
	secretName string
	secret     []string
	buffers    buffers
	flights    *flights
}

type identityHeader struct {
	name  string
	value func(Person) string
}

const (
	idlePerHost    = 1024 // the default of 2 makes a busy proxy dial for nearly every request
	idleTimeout    = 90 * time.Second
	continueWait   = time.Second
	pingAfter      = 15 * time.Second
	maxAnswerBytes = 1 << 20
)

// Open prepares an upstream; cfg must have passed Validate. It reads the TLS files and does not ask the network.
func Open(cfg Config, shared Shared) (*Upstream, error) {
	for _, p := range cfg.Validate() {
		if !p.Warning {
			return nil, fmt.Errorf("open upstream %q: %s: %s", cfg.ID, p.Path, p.Message)
		}
	}
	u := &Upstream{Shared: shared, cfg: cfg, buffers: newBuffers(), flights: newFlights(shared.Alive)}
	if err := u.openPool(); err != nil {
		return nil, fmt.Errorf("open upstream %q: %w", cfg.ID, err)
	}
	u.format = format{cfg.Identity.Encoding, cfg.Identity.Groups}
	if s := cfg.Identity.SecretHeader; s.Name != "" {
		u.secretName, u.secret = http.CanonicalHeaderKey(s.Name), []string{s.Value.Reveal()}
	}
	headers := cfg.Identity.Headers
	if len(headers) == 0 {
		headers = DefaultHeaders()
	}
	for _, h := range headers {
		u.headers = append(u.headers, identityHeader{http.CanonicalHeaderKey(h.Name), u.format.values()[h.Value]})
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
	return u, nil
}

// openPool makes the addresses and what they are asked with.
func (u *Upstream) openPool() error {
	plain, err := newTransport(u.cfg)
	if err != nil {
		return err
	}
	h2c := plain.Clone()
	h2c.DialContext = newDialer(u.cfg).DialContext // frames say which request they answer
	h2c.Protocols = new(http.Protocols)
	h2c.Protocols.SetUnencryptedHTTP2(true)
	u.transports = []*http.Transport{plain, h2c}
	for _, raw := range u.cfg.URLs {
		e, err := newEndpoint(u.cfg, raw, plain, h2c)
		if err != nil {
			return err
		}
		u.pool.endpoints = append(u.pool.endpoints, e)
	}
	return nil
}

func newDialer(cfg Config) *net.Dialer {
	return &net.Dialer{Timeout: cfg.Timeouts.Connect, KeepAlive: 30 * time.Second}
}

func newTransport(cfg Config) (*http.Transport, error) {
	tlsConfig, err := newTLS(cfg.TLS)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		DialContext:            quietly(newDialer(cfg).DialContext),
		TLSHandshakeTimeout:    cfg.Timeouts.Connect,
		TLSClientConfig:        tlsConfig,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  cfg.Timeouts.ResponseHeader,
		ExpectContinueTimeout:  continueWait,
		MaxResponseHeaderBytes: maxAnswerBytes,
		DisableCompression:     true, // what the CRM sends is passed on as it is
		// Or a connection that a firewall forgot takes every stream on it along until the kernel gives up.
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter},
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
	for _, t := range u.transports {
		t.CloseIdleConnections()
	}
	for _, e := range u.pool.endpoints {
		e.short.close()
	}
}

func (u *Upstream) now() time.Time {
	if u.Now != nil {
		return u.Now()
	}
	return time.Now()
}
