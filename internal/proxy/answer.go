package proxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
)

// early is what is known of a request before its final answer. It passes informational answers (1xx) on.
type early struct {
	w        http.ResponseWriter
	upstream *Upstream
	// connected is true once there is a connection.
	connected atomic.Bool
	flight    flight
	// sent is the request's body, nil for none. Unsent is true where the connection turned out to be unfit before anything was sent on it.
	sent   *body
	unsent bool

	mu   sync.Mutex
	done bool
}

func (e *early) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: e.pass, GotConn: e.got})
}

func (e *early) pass(code int, h textproto.MIMEHeader) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done { // RoundTrip has returned, the ResponseWriter is not ours any more
		return nil
	}
	delete(h, "Set-Cookie") // browsers take none from here, and none passed a check
	to := e.w.Header()
	for name, values := range h {
		to[name] = values
	}
	e.w.WriteHeader(code)
	clear(to)
	return nil
}

func (e *early) finish() {
	e.mu.Lock()
	e.done = true
	e.mu.Unlock()
}

// answer copies a final answer to the client and streams its body. It panics with http.ErrAbortHandler where either side breaks off: the
// client must not take half a body for the whole.
func (u *Upstream) answer(w http.ResponseWriter, res *http.Response) {
	removeHopByHop(res.Header)
	h := w.Header()
	for name, values := range res.Header {
		h[name] = values
	}
	if _, ok := res.Header["Content-Type"]; !ok {
		h["Content-Type"] = nil // the server would guess one, and a guess of HTML is a hole
	}
	announced := len(res.Trailer)
	if announced > 0 {
		names := make([]string, 0, announced)
		for name := range res.Trailer {
			names = append(names, name)
		}
		h["Trailer"] = []string{strings.Join(names, ", ")}
		delete(h, "Content-Length") // HTTP/2 may send both; HTTP/1.1 has trailers only after chunks
	}
	w.WriteHeader(res.StatusCode)
	if err := u.stream(w, res); err != nil {
		panic(http.ErrAbortHandler)
	}
	if len(res.Trailer) > 0 {
		trailers(w, res.Trailer, announced)
	}
}

// stream copies the body. Where its length is unknown somebody may be waiting for each part of it (server-sent events, long polling), so
// each is sent at once, and the head before them.
func (u *Upstream) stream(w http.ResponseWriter, res *http.Response) error {
	if res.Body == http.NoBody {
		return nil
	}
	return u.pump(w, res.Body, res.ContentLength == -1 || strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream"))
}

// pump copies from to w; at once sends the head before anything is read, and each part as it comes.
func (u *Upstream) pump(w http.ResponseWriter, from io.Reader, atOnce bool) error {
	flush := func() error { return nil }
	if atOnce {
		flush = http.NewResponseController(w).Flush
		if err := flush(); err != nil {
			return err
		}
	}
	buf := u.buffers.Get()
	defer u.buffers.Put(buf)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			if err := flush(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// trailers writes those of the answer, also where the CRM did not announce them.
func trailers(w http.ResponseWriter, trailer http.Header, announced int) {
	// Without this a short body would get a Content-Length, and then there is no place for trailers.
	_ = http.NewResponseController(w).Flush()
	prefix := ""
	if len(trailer) != announced {
		prefix = http.TrailerPrefix
	}
	h := w.Header()
	for name, values := range trailer {
		if trailable(name) {
			h[prefix+name] = values
		}
	}
}
