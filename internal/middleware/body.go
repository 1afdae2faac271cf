package middleware

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Bodies bounds how long requests' bodies may keep others waiting.
//
// One that no handler reads may hold its connection for rest. Before package net/http sends an answer, and again after it, it reads the rest of
// the body (up to 256 kB), however long that takes: somebody who announces a body and sends none would not even be refused, and would
// keep the connection. So an answer that begins before the body has ended says "Connection: close", and net/http sends such a one
// without waiting; the rest of the body then has until rest is over. HTTP/2 has no such wait.
//
// While a handler reads a body, for the CRM, it may take as long as it likes as long as it comes: a kilobyte in each silence of waiting for it. Less is
// nobody's line but somebody's way to keep the CRM's workers. It ends with the beginning of the answer, and gRPC, which is HTTP/2, is left alone: from
// then on the two may be talking to each other, with any pauses.
func Bodies(rest, silence time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		rec, b := record(w), &watchedBody{ReadCloser: r.Body, one: r.ProtoMajor == 1}
		if b.one || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			b.silence = silence
			b.cut = func() { _ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) }
		}
		rec.body = b
		defer func() { // also where the handler gives up by a panic
			if b.one && !b.ended.Load() {
				// A writer that knows no deadlines is a test's.
				_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(rest))
			}
		}()
		r = r.WithContext(r.Context()) // a copy: the server goes on with its own body
		r.Body = b
		next.ServeHTTP(rec, r)
	})
}

// enough is how much of a body starts a new silence.
const enough = 1 << 10

// watchedBody is a request's body that knows whether its end was read, and that does not wait for ever.
type watchedBody struct {
	io.ReadCloser
	// one is true for HTTP/1.
	one   bool
	ended atomic.Bool
	// begun is set when the answer begins.
	begun atomic.Bool

	// silence is how long it may be waited for enough of it; zero is for ever. Cut makes a Read that waits fail.
	silence time.Duration
	cut     func()
	// waited is how long it was waited for in this silence, came what came in it.
	waited time.Duration
	came   int
	timer  *time.Timer
}

// Read reads.
func (b *watchedBody) Read(p []byte) (int, error) {
	if b.silence > 0 && !b.begun.Load() {
		defer b.watch()()
	}
	n, err := b.ReadCloser.Read(p)
	b.came += n
	if err == io.EOF {
		b.ended.Store(true)
	}
	return n, err
}

// watch cuts what follows off unless it is over in time; what it returns says that it is over.
func (b *watchedBody) watch() (over func()) {
	left := b.silence - b.waited
	if b.timer == nil {
		b.timer = time.AfterFunc(left, func() {
			if !b.begun.Load() {
				b.cut()
			}
		})
	} else {
		b.timer.Reset(left)
	}
	began := time.Now()
	return func() {
		b.timer.Stop()
		if b.waited += time.Since(began); b.came >= enough {
			b.waited, b.came = 0, 0
		}
	}
}

// answered is called before the head of the final answer is written.
func (b *watchedBody) answered(h http.Header) {
	if b == nil {
		return
	}
	b.begun.Store(true)
	if b.one && !b.ended.Load() {
		h.Set("Connection", "close")
	}
}
