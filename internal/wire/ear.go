package wire

import (
	"net"
	"syscall"
)

// Ear listens at a connection without reading from it. Only one goroutine may use it at a time; others may read and write the connection.
type Ear struct {
	raw syscall.RawConn
	// probe is made once: a closure for each use would be an allocation for each request.
	probe func(fd uintptr)
	// quiet is what probe found.
	quiet *bool
}

// NewEar returns the ear of a connection. Where that is none of the operating system's, it is never quiet.
func NewEar(nc net.Conn) Ear {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return Ear{}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return Ear{}
	}
	quiet := new(bool)
	return Ear{raw: raw, quiet: quiet, probe: func(fd uintptr) { *quiet = nothingToRead(fd) }}
}

// Quiet reports whether nothing waits to be read: neither bytes, nor an end, nor an error.
func (e Ear) Quiet() bool {
	if e.raw == nil {
		return false
	}
	*e.quiet = false
	return e.raw.Control(e.probe) == nil && *e.quiet
}
