package middleware

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// SecureFraming is a listener for TLS with the checks of Framing on HTTP/1.1 within it: the proxy that could read a request in another way
// may well speak TLS to us (a content delivery network does). HTTP/2 knows one way to frame a request and is handed on as it is.
//
// Which of the two a client speaks is known after the handshake, and package net/http takes HTTP/2 from nothing but a *tls.Conn. So the
// handshake is made here, for each connection on its own.
type SecureFraming struct {
	net.Listener
	Config *tls.Config
	// Timeout bounds the handshake; zero is ten seconds.
	Timeout time.Duration

	start, stop sync.Once
	ready       chan accepted
	closed      chan struct{}
}

type accepted struct {
	conn net.Conn
	err  error
}

const handshakeTimeout = 10 * time.Second

// Accept waits for the next connection whose handshake is done.
func (l *SecureFraming) Accept() (net.Conn, error) {
	l.begin()
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close stops listening. Connections whose handshake is under way are closed after it.
func (l *SecureFraming) Close() error {
	l.begin()
	l.stop.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func (l *SecureFraming) begin() {
	l.start.Do(func() {
		l.ready, l.closed = make(chan accepted), make(chan struct{})
		go l.accept()
	})
}

func (l *SecureFraming) accept() {
	for {
		c, err := l.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			l.hand(accepted{err: err})
			return
		case err != nil:
			l.hand(accepted{err: err}) // too many open files, say: the server waits a little before it comes again
		default:
			go l.shake(c)
		}
	}
}

// shake makes the handshake. One that fails is handed on as well: the server says in its log, and to a browser without TLS, what was wrong.
func (l *SecureFraming) shake(c net.Conn) {
	timeout := l.Timeout
	if timeout == 0 {
		timeout = handshakeTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	secure := tls.Server(c, l.Config)
	err := secure.HandshakeContext(ctx)
	if p := secure.ConnectionState().NegotiatedProtocol; err != nil || p != "" && p != "http/1.1" {
		l.hand(accepted{conn: secure})
		return
	}
	l.hand(accepted{conn: &secureConn{Conn: secure, frames: framedConn{Conn: secure}}})
}

func (l *SecureFraming) hand(a accepted) {
	select {
	case l.ready <- a:
	case <-l.closed:
		if a.conn != nil {
			_ = a.conn.Close() // nobody serves it any more
		}
	}
}

// secureConn is a framedConn over TLS.
type secureConn struct {
	*tls.Conn
	frames framedConn
}

// Read reads, and spoils what must not pass.
func (c *secureConn) Read(p []byte) (int, error) { return c.frames.Read(p) }
