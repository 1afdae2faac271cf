package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// body is a request's body on its way to the CRM. Closing it does not close the client's: the Transport closes what it cannot send, and
// closing the client's body reads it to the end first, which hangs where the client waits for "100 Continue".
type body struct {
	from, to *http.Request
	closed   atomic.Bool
	begun    atomic.Bool
	fault    atomic.Pointer[error]
}

func (b *body) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, errors.New("read request body after the answer")
	}
	b.begun.Store(true)
	n, err := b.from.Body.Read(p)
	switch {
	case err == io.EOF:
		// Only now does the server know them. What was not announced is dropped: it passed no check.
		for name := range b.to.Trailer {
			b.to.Trailer[name] = b.from.Trailer[name]
		}
	case err != nil:
		b.fault.Store(&err)
	}
	return n, err
}

// Close makes further reads fail. It may be called on nil, and at any time.
func (b *body) Close() error {
	if b != nil {
		b.closed.Store(true)
	}
	return nil
}

// renew gives a request another go at its body, of which nothing was read.
func (e *early) renew(out *http.Request) {
	if e.sent != nil {
		e.sent = &body{from: e.sent.from, to: out}
		out.Body = e.sent
	}
}

// touched reports whether any of it was asked for.
func (b *body) touched() bool { return b != nil && b.begun.Load() }

// broken returns the error that ended the client's side, or nil.
func (b *body) broken() error {
	if b == nil {
		return nil
	}
	if err := b.fault.Load(); err != nil {
		return *err
	}
	return nil
}

// bufferSize is what one copy of a body uses.
const bufferSize = 32 << 10

// buffers lends the buffers that bodies are copied with.
type buffers struct{ pool *sync.Pool }

func newBuffers() buffers {
	return buffers{&sync.Pool{New: func() any { return new([bufferSize]byte) }}}
}

// Get lends a buffer.
func (b buffers) Get() []byte { return b.pool.Get().(*[bufferSize]byte)[:] }

// Put takes it back.
func (b buffers) Put(p []byte) {
	if cap(p) >= bufferSize {
		b.pool.Put((*[bufferSize]byte)(p[:bufferSize]))
	}
}
