package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// maxDirectoryAnswer is how many bytes one connection may bring each time it is used.
const maxDirectoryAnswer = 8 << 20

// server is one address of a directory.
type server struct {
	address string // as configured
	host    string // with port
	tls     *tls.Config
	secure  bool // TLS from the first byte; otherwise StartTLS
	timeout time.Duration
	now     func() time.Time

	mu      sync.Mutex
	trouble backoff // opens the circuit after a failure
	idle    []*conn // bound as the service account
}

func newServer(raw string, roots *x509.CertPool, c DirectoryConfig, env Env) (*server, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("parse address: %w", err)
	}
	s := &server{address: raw, secure: u.Scheme == "ldaps", timeout: c.Timeout, now: env.Now}
	if !s.secure && !c.StartTLS {
		return nil, fmt.Errorf("%s would send passwords in the clear", raw)
	}
	port := u.Port()
	switch {
	case port == "" && s.secure:
		port = ldap.DefaultLdapsPort
	case port == "":
		port = ldap.DefaultLdapPort
	}
	s.host = net.JoinHostPort(u.Hostname(), port)
	s.tls = &tls.Config{ServerName: u.Hostname(), RootCAs: roots, MinVersion: tls.VersionTLS12}
	return s, nil
}

// conn is a connection under TLS that ends with the context it was lent for.
type conn struct {
	*ldap.Conn
	wire    *capped
	release func() bool
	// born and rested are when it was made and last put back.
	born, rested time.Time
}

// Close ends the connection.
func (c *conn) Close() {
	c.release()
	// The server may have left already; nothing depends on the farewell.
	_ = c.Conn.Close()
}

// lend bounds what is done next, in time and in size, and binds it to a context.
func (c *conn) lend(ctx context.Context, limit time.Duration) error {
	c.wire.left.Store(maxDirectoryAnswer)
	c.release = context.AfterFunc(ctx, func() { _ = c.wire.Close() }) // ends whatever waits on it
	return c.wire.SetDeadline(time.Now().Add(limit))
}

// trouble is a failure of the connection, not of what was asked: another server may do better.
type trouble struct{ err error }

func (e *trouble) Error() string { return e.err.Error() }
func (e *trouble) Unwrap() error { return e.err }

// lostBind is a connection that broke while a person's password was judged. No other server is asked: the first may have
// counted a failure, and one submission must not count twice.
type lostBind struct{ trouble }

// isTrouble reports whether another server may do better.
func isTrouble(err error) bool {
	var t *trouble
	var l *lostBind
	return errors.As(err, &t) || errors.As(err, &l) || ldap.IsErrorAnyOf(err, ldap.ErrorNetwork, ldap.LDAPResultServerDown,
		ldap.LDAPResultTimeout, ldap.LDAPResultConnectError, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable)
}

// answered sorts what an operation returned: what is no result of the server (RFC 4511 section 4.1.9) is trouble.
func answered(err error) error {
	var e *ldap.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &trouble{err}
}

// dial connects and encrypts. Every step has an end: the dial, the handshake (which go-ldap's own time-out does not cover), each
// answer, and the life of the connection.
func (s *server) dial(ctx context.Context) (*conn, error) {
	dialer := net.Dialer{Timeout: s.timeout}
	raw, err := dialer.DialContext(ctx, "tcp", s.host)
	if err != nil {
		return nil, &trouble{err}
	}
	c := &conn{wire: &capped{Conn: raw}, born: s.now()}
	err = c.lend(ctx, s.timeout)
	if err == nil {
		c.Conn, err = s.encrypt(ctx, c.wire)
	}
	if err == nil {
		err = c.wire.SetDeadline(time.Now().Add(4 * s.timeout))
	}
	if err != nil {
		c.release()
		_ = raw.Close() // the first error is the one to tell
		return nil, &trouble{err}
	}
	return c, nil
}

func (s *server) encrypt(ctx context.Context, wire net.Conn) (*ldap.Conn, error) {
	if s.secure {
		t := tls.Client(wire, s.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("shake hands: %w", err)
		}
		c := ldap.NewConn(t, true)
		c.SetTimeout(s.timeout)
		c.Start()
		return c, nil
	}
	c := ldap.NewConn(wire, false)
	c.SetTimeout(s.timeout)
	c.Start()
	if err := c.StartTLS(s.tls); err != nil {
		_ = c.Close() // StartTLS's error is the one to tell
		return nil, fmt.Errorf("start TLS: %w", err)
	}
	return c, nil
}

// capped ends a connection that brings too much: BER lets a server announce and send gigabytes.
type capped struct {
	net.Conn
	left atomic.Int64
}

// Read implements io.Reader; go-ldap reads from one goroutine at a time.
func (c *capped) Read(b []byte) (int, error) {
	left := c.left.Load()
	if left <= 0 {
		return 0, errors.New("the directory sent more than 8 MB")
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), left)])
	c.left.Add(-int64(n))
	return n, err
}

// service connects and binds as the service account.
func (d *directory) service(ctx context.Context, s *server) (*conn, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := answered(c.Bind(d.cfg.BindDN, d.cfg.BindPassword.Reveal())); err != nil {
		c.Close()
		return nil, fmt.Errorf("bind as the service account: %w", err)
	}
	return c, nil
}

// withServer does something at the first server that works. A server in trouble is left alone for a few seconds. What a
// server answered is never asked of another one: a wrong password would count on each.
func (d *directory) withServer(ctx context.Context, do func(*server) error) error {
	var failures []error
	for _, s := range d.servers {
		if err := s.failed(); err != nil {
			failures = append(failures, err)
			continue
		}
		err := do(s)
		if ctx.Err() != nil {
			// Somebody who leaves says nothing about the server.
			return &trouble{errors.Join(ctx.Err(), err)}
		}
		if !isTrouble(err) {
			s.note(nil)
			if len(failures) > 0 {
				d.env.Log.Warn("ask directory: another server helped out", "provider", d.cfg.ID, "error", errors.Join(failures...))
			}
			return err
		}
		err = fmt.Errorf("%s: %w", s.address, err)
		s.note(err)
		failures = append(failures, err)
		var lost *lostBind
		if errors.As(err, &lost) {
			break
		}
	}
	return errors.Join(failures...)
}

func (s *server) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble.failed(s.now())
}

func (s *server) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble.note(s.now(), err)
}

// translate gives an error its sentence.
func (d *directory) translate(err error) error {
	var known *fault.Error
	var wrong identity.WrongPassword
	var change *identity.MustChange
	switch {
	case errors.As(err, &wrong):
		return wrong
	case errors.Is(err, identity.ErrWrongPassword):
		return identity.ErrWrongPassword
	case errors.As(err, &change):
		return change
	case errors.As(err, &known):
		return known
	case isTrouble(err):
		return fault.Wrap(fault.Unavailable, fmt.Sprintf("%s cannot be reached at the moment. Please try again in a minute.", d.cfg.displayName()), err).
			WithReason(identity.ReasonUnreachable).WithNext(fault.NextSignIn)
	}
	// The directory answered, and not in a way that the person could change: a wrong service account, a wrong base.
	return fault.Wrap(fault.Unavailable, fmt.Sprintf("Sign-in with %s is not set up correctly. Please tell your administrator.", d.cfg.displayName()), err).
		WithReason("directory_setup").WithNext(fault.NextHelp)
}
