package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"crmgate/internal/config"
)

// certificateLook is how often the files of the certificate are looked at.
const certificateLook = 2 * time.Second

// certificate is one from files, which may be replaced while the gateway runs.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]
	// stamp tells whether the files have changed; for the one goroutine that looks.
	stamp [2]fileStamp
}

type fileStamp struct {
	modified time.Time
	size     int64
}

func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	c.stamp, _ = c.look() // a file that is not there makes the next line fail
	return c, c.load()
}

func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificate) look() (stamp [2]fileStamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name) // follows links, which is how many a renewal is done
		if err != nil {
			return stamp, err
		}
		stamp[i] = fileStamp{info.ModTime(), info.Size()}
	}
	return stamp, nil
}

// reload takes up files that have changed. As long as they do not fit together the former certificate stays: one of them may not be
// written yet.
func (c *certificate) reload(context.Context) {
	stamp, err := c.look()
	if err == nil && stamp == c.stamp {
		return
	}
	if err == nil {
		err = c.load()
	}
	if err != nil {
		c.log.Warn("reload server.tls: the former certificate stays in use", "error", err)
		return
	}
	c.stamp = stamp
	c.log.Info("certificate reloaded", "file", c.certFile)
}

// serverTLS returns how the public listener speaks TLS, nil for plain HTTP, and what has to run beside it.
func (a *App) serverTLS() (*tls.Config, func(context.Context) error, error) {
	cfg := a.Config.Server.TLS
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	switch {
	case a.acme != nil:
		c.NextProtos = append(c.NextProtos, acme.ALPNProto)
		c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName == "" { // a client that does not say whom it wants, or an address
				hello.ServerName = cfg.ACME.Domains[0]
			}
			return a.acme.GetCertificate(hello)
		}
		return c, a.orderCertificates, nil
	case cfg.CertFile != "":
		files, err := openCertificate(cfg.CertFile, cfg.KeyFile, a.Log)
		if err != nil {
			return nil, nil, fmt.Errorf("load server.tls: %w", err)
		}
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return files.current.Load(), nil }
		return c, func(ctx context.Context) error { every(ctx, certificateLook, files.reload); return nil }, nil
	}
	return nil, nil, nil
}

// newACME returns what gets certificates, nil where none are wanted.
func newACME(cfg config.ServerConfig) (*autocert.Manager, error) {
	c := cfg.TLS.ACME
	if len(c.Domains) == 0 {
		return nil, nil
	}
	dir := c.CacheDir
	if dir == "" {
		dir = filepath.Join(cfg.DataDir, "acme")
	}
	client := &acme.Client{DirectoryURL: c.Directory, UserAgent: "crmgate"}
	if c.Directory == "" {
		client.DirectoryURL = acme.LetsEncryptURL
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read server.tls.acme.ca_file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("read server.tls.acme.ca_file: no certificate in it")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	client.HTTPClient = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	return &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(dir), HostPolicy: autocert.HostWhitelist(c.Domains...), Email: c.Email, Client: client,
	}, nil
}

// orderAgain is how long to wait after an order that failed; authorities limit how often one may fail.
const orderAgain = 15 * time.Minute

// orderCertificates gets each certificate before the first visitor has to wait for it. Renewal is the library's from then on.
func (a *App) orderCertificates(ctx context.Context) error {
	missing := a.Config.Server.TLS.ACME.Domains
	for {
		var failed []string
		for _, domain := range missing {
			_, err := a.acme.GetCertificate(&tls.ClientHelloInfo{ServerName: domain,
				CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}) // or it orders one for RSA
			if err != nil {
				a.Log.Error("get certificate", "domain", domain, "error", err)
				failed = append(failed, domain)
			}
			if ctx.Err() != nil {
				return nil
			}
		}
		if missing = failed; len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(orderAgain):
		}
	}
}
