package middleware

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Bodies bounds how long a request's body that no handler reads may hold its connection. Before package net/http sends an answer, and
// again after it, it reads the rest of the body (up to 256 kB), however long that takes: somebody who announces a body and sends none would
// not even be refused, and would keep the connection. So an answer that begins before the body has ended says "Connection: close",
// and net/http sends such a one without waiting; the rest of the body then has until patience is over.
//
// While a handler reads a body, for the CRM, it may take as long as it likes. HTTP/2 has no such wait.
func Bodies(patience time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 || r.ProtoMajor != 1 {
			next.ServeHTTP(w, r)
			return
		}
		rec, b := record(w), &watchedBody{ReadCloser: r.Body}
		rec.body = b
		defer func() { // also where the handler gives up by a panic
			if !b.ended.Load() {
				// A writer that knows no deadlines is a test's.
				_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience))
			}
		}()
		r = r.WithContext(r.Context()) // a copy: the server goes on with its own body
		r.Body = b
		next.ServeHTTP(rec, r)
	})
}

// watchedBody is a request's body that knows whether its end was read.
type watchedBody struct {
	io.ReadCloser
	ended atomic.Bool
}

// Read reads.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.ended.Store(true)
	}
	return n, err
}

// answered is called before the head of the final answer is written.
func (b *watchedBody) answered(h http.Header) {
	if b != nil && !b.ended.Load() {
		h.Set("Connection", "close")
	}
}
