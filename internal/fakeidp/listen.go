package fakeidp

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Running is a provider on a loopback port of its own.
type Running struct {
	*Server
	// CA is the certificate in PEM that a client must trust; nil without TLS.
	CA []byte

	address string
	tls     *tls.Config

	mu   sync.Mutex
	http *http.Server
}

// Listen starts a provider on Config.Address or a free port of 127.0.0.1. The caller closes it.
func Listen(c Config) (*Running, error) { return listen(c, "http", nil, nil) }

// ListenTLS is Listen with https and a fresh certificate.
func ListenTLS(c Config) (*Running, error) {
	ca, config, err := newCertificate()
	if err != nil {
		return nil, err
	}
	return listen(c, "https", ca, config)
}

func listen(c Config, scheme string, ca []byte, config *tls.Config) (*Running, error) {
	l, err := net.Listen("tcp", cmp.Or(c.Address, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("listen for provider: %w", err)
	}
	if c.Issuer == "" || strings.HasPrefix(c.Issuer, "/") {
		c.Issuer = scheme + "://" + l.Addr().String() + c.Issuer
	}
	s, err := New(c)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	r := &Running{Server: s, CA: ca, address: l.Addr().String(), tls: config}
	r.serve(l)
	return r, nil
}

func (r *Running) serve(l net.Listener) {
	if r.tls != nil {
		l = tls.NewListener(l, r.tls)
	}
	// A handshake that a test breaks on purpose is no news.
	srv := &http.Server{Handler: r.Server, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	r.mu.Lock()
	r.http = srv
	r.mu.Unlock()
	go func() {
		// Serve ends when Stop closes the listener; there is nothing else to tell.
		_ = srv.Serve(l)
	}()
}

// Stop closes the port and every connection, as if the provider were down. Keys, people and sessions stay.
func (r *Running) Stop() error {
	r.SetFaults(r.Faults()) // lets go what hangs
	r.mu.Lock()
	srv := r.http
	r.mu.Unlock()
	return srv.Close()
}

// Start opens the same port again after Stop.
func (r *Running) Start(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", r.address)
	if err != nil {
		return fmt.Errorf("listen for provider: %w", err)
	}
	r.serve(l)
	return nil
}

// Close ends the provider.
func (r *Running) Close() error { return r.Stop() }

func newCertificate() ([]byte, *tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "fakeidp"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2", "http/1.1"}}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), config, nil
}
