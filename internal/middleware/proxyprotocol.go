package middleware

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// ProxyProtocol is a listener behind load balancers that say in a PROXY header, version 2, whom each connection is from. Who speaks it
// is a matter of configuration and never guessed: a peer that is listed must begin with a header, or its connection is closed; of any
// other peer the header is no HTTP and is refused as such.
type ProxyProtocol struct {
	net.Listener
	// Trusted are the peers that must send the header.
	Trusted []netip.Prefix
	// Timeout bounds the wait for the header; zero is five seconds.
	Timeout time.Duration
}

const proxyHeaderTimeout = 5 * time.Second

// Accept waits for the next connection. The header is read when the connection is first used, so that a slow peer holds up nobody else.
func (l *ProxyProtocol) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if a, ok := parseAddress(c.RemoteAddr().String()); !ok || !contains(l.Trusted, a) {
		return c, nil
	}
	p := &proxiedConn{Conn: c, timeout: l.Timeout}
	if p.timeout == 0 {
		p.timeout = proxyHeaderTimeout
	}
	return p, nil
}

// proxiedConn is a connection whose other end is told by a header.
type proxiedConn struct {
	net.Conn
	timeout time.Duration
	once    sync.Once
	remote  net.Addr
	err     error
}

// begin reads the header.
func (c *proxiedConn) begin() {
	c.once.Do(func() {
		c.remote = c.Conn.RemoteAddr()
		if c.err = c.Conn.SetReadDeadline(time.Now().Add(c.timeout)); c.err != nil {
			return
		}
		from, err := readProxyHeader(c.Conn)
		if err != nil {
			// A server answers the end of a connection with silence; what is there is no HTTP and wants no answer.
			c.err = io.EOF
			_ = c.Conn.Close() // there is nobody to tell
			return
		}
		if from != nil {
			c.remote = from
		}
		c.err = c.Conn.SetReadDeadline(time.Time{})
	})
}

// Read reads what follows the header.
func (c *proxiedConn) Read(p []byte) (int, error) {
	if c.begin(); c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(p)
}

// ReadFrom lets the operating system move an answer, as it would without us.
func (c *proxiedConn) ReadFrom(r io.Reader) (int64, error) { return readFrom(c.Conn, r) }

// CloseWrite closes one half.
func (c *proxiedConn) CloseWrite() error { return closeWrite(c.Conn) }

// RemoteAddr is the address that the header names.
func (c *proxiedConn) RemoteAddr() net.Addr {
	c.begin()
	return c.remote
}

// unknownAddr is the other end of a connection whose header names none. It is in no list of trusted proxies: what comes through this
// connection was written by somebody whom we do not know.
type unknownAddr struct{}

// Network names no network.
func (unknownAddr) Network() string { return "unknown" }

// String names no address.
func (unknownAddr) String() string { return "unknown" }

var proxySignature = []byte("\r\n\r\n\x00\r\nQUIT\n")

const (
	// maxProxyHeader bounds what follows the fixed part. Addresses take 216 bytes at most, load balancers add a few hundred.
	maxProxyHeader = 4 << 10
	tlvCRC32C      = 0x03
)

var errProxyHeader = errors.New("not a PROXY header of version 2")

// readProxyHeader reads a header and nothing after it (The PROXY protocol, 2.2). It returns nil where the peer speaks for itself (LOCAL).
func readProxyHeader(r io.Reader) (net.Addr, error) {
	var fixed [16]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return nil, fmt.Errorf("read PROXY header: %w", err)
	}
	length := int(binary.BigEndian.Uint16(fixed[14:]))
	if !bytes.Equal(fixed[:12], proxySignature) || fixed[12]>>4 != 2 || length > maxProxyHeader {
		return nil, errProxyHeader
	}
	rest := make([]byte, length)
	if _, err := io.ReadFull(r, rest); err != nil {
		return nil, fmt.Errorf("read PROXY header: %w", err)
	}
	command, family := fixed[12]&15, fixed[13]
	var from net.Addr = unknownAddr{}
	addresses := 0
	switch {
	case command == 0: // LOCAL: a health check of the balancer itself; what it says of addresses is to be ignored
		return nil, nil
	case command != 1:
		return nil, errProxyHeader
	case family == 0x11 || family == 0x12:
		addresses = 12
	case family == 0x21 || family == 0x22:
		addresses = 36
	case family == 0x31 || family == 0x32:
		addresses = 216
	case family != 0:
		return nil, errProxyHeader
	}
	if length < addresses {
		return nil, errProxyHeader
	}
	switch addresses {
	case 12:
		from = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest[:4])), binary.BigEndian.Uint16(rest[8:])))
	case 36:
		from = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest[:16])).Unmap(), binary.BigEndian.Uint16(rest[32:])))
	}
	if family == 0 {
		return from, nil // what follows has no form
	}
	return from, checkTLVs(fixed, rest, addresses)
}

// checkTLVs walks over what a balancer adds. A checksum among it must be right.
func checkTLVs(fixed [16]byte, rest []byte, at int) error {
	for at < len(rest) {
		if len(rest)-at < 3 {
			return errProxyHeader
		}
		kind, length := rest[at], int(binary.BigEndian.Uint16(rest[at+1:]))
		value := at + 3
		if at = value + length; at > len(rest) {
			return errProxyHeader
		}
		if kind != tlvCRC32C {
			continue
		}
		if length != 4 {
			return errProxyHeader
		}
		want := binary.BigEndian.Uint32(rest[value:])
		whole := append(append([]byte(nil), fixed[:]...), rest...)
		clear(whole[len(fixed)+value : len(fixed)+value+4])
		if crc32.Checksum(whole, crc32.MakeTable(crc32.Castagnoli)) != want {
			return errProxyHeader
		}
	}
	return nil
}
