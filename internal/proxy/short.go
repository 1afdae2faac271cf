package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/wire"
)

// short is the short way to a CRM on plain HTTP/1.1, for GET and HEAD without a body: package wire's connections instead of the Transport's.
// It costs about half. Whatever is not as plain as that goes the standard way, and so does everything for a while once the CRM has sent
// an answer that package wire does not read.
type short struct {
	client wire.Client
	heads  sync.Pool
	// off is until when nothing goes this way, in nanoseconds; 0 is not off.
	off atomic.Int64
}

// shortOff is how long the short way is left alone after an answer that cannot be read there: each of those is asked for twice, and one CRM
// sends them always, another once in its life.
const shortOff = 10 * time.Minute

// shortRequest is what a request on the short way needs, lent from one to the next.
type shortRequest struct {
	wire.Head
	flights *flights
	flight  flight
}

// newShortRequest lets the session's end close the connection, whatever is waited for on it.
func newShortRequest() any {
	sr := new(shortRequest)
	sr.Taken = func(conn net.Conn) bool { return sr.flights.hold(&sr.flight, conn) }
	return sr
}

// newShort returns nil where the CRM cannot be reached in the short way.
func newShort(cfg Config, scheme, address string) *short {
	if !cfg.FastGet || scheme != "http" || !wire.Keeps {
		return nil
	}
	dialer := newDialer(cfg)
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), "80")
	}
	return &short{
		client: wire.Client{
			Dial:        func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", address) },
			HeadTimeout: cfg.Timeouts.ResponseHeader, MaxHead: maxAnswerBytes, MaxIdle: idlePerHost, IdleTimeout: idleTimeout,
		},
		heads: sync.Pool{New: newShortRequest},
	}
}

// close gives up the connections that are kept.
func (s *short) close() {
	if s != nil {
		s.client.Close()
	}
}

// suits reports whether a request can go the short way.
func (s *short) suits(r *http.Request, u *Upstream) bool {
	if s == nil || r.Method != http.MethodGet && r.Method != http.MethodHead || r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return false
	}
	if until := s.off.Load(); until != 0 && u.now().UnixNano() < until {
		return false
	}
	h := r.Header
	for _, field := range h["Connection"] {
		if !strings.EqualFold(field, "keep-alive") && !strings.EqualFold(field, "close") {
			return false // it nominates headers
		}
	}
	_, te := h["Te"]
	_, expect := h["Expect"]
	return !te && !expect && len(r.Trailer) == 0
}

// shortcut is exchange by the short way. Where it is not done nothing was written and r is untouched; failed is then true where e did
// not answer and, since again allows it, another address is to be asked, and false where e is to be asked the standard way.
func (u *Upstream) shortcut(w http.ResponseWriter, r *http.Request, path Path, id *Identity, e *endpoint, again bool) (done, failed bool) {
	sr := e.short.heads.Get().(*shortRequest)
	sr.flights, sr.flight = u.flights, flight{client: w}
	now := u.now()
	cookies, expire := r.Header["Cookie"], []string(nil)
	if u.Names.bound && len(cookies) > 0 {
		cookies, expire = u.unbind(cookies, id.bondOrNobodys())
	}
	if err := u.head(&sr.Head, r, path, id, e, cookies, now); err != nil {
		u.Fail.Fail(w, r, err)
		return true, false
	}
	h := w.Header()
	before := len(h)
	if before > 0 {
		h = http.Header{} // what stands there is kept and must not be mixed with the CRM's
	}
	u.flights.add(r.Context(), &sr.flight, id, nil, now)
	defer func() { // also where the answer breaks off
		u.flights.done(&sr.flight)
		e.short.heads.Put(sr)
	}()
	a, err := e.short.client.Do(r.Context(), &sr.Head, h, func(code int, h http.Header) error {
		delete(h, "Set-Cookie") // browsers take none from here, and none passed a check
		removeHopByHop(h)
		w.WriteHeader(code)
		return nil
	})
	switch {
	case errors.Is(err, wire.ErrUnusual):
		e.short.off.Store(now.Add(shortOff).UnixNano())
		return false, false
	case err != nil && !u.flights.hold(&sr.flight, nil):
		u.Fail.Fail(w, r, errSessionEnded)
		return true, false
	case err != nil:
		if r.Context().Err() == nil {
			u.note(e, 0, !notDialed(err))
			if again && !timedOut(err) {
				return false, true
			}
		}
		u.fail(w, r, err, nil)
		return true, false
	}
	defer func() { // the connection may belong to another request after Close, and must not be ended with this one's session then
		u.flights.hold(&sr.flight, nil)
		a.Close()
	}()
	u.note(e, a.Status, true)
	if before > 0 {
		to := w.Header()
		for name, values := range h {
			to[name] = values
		}
		h = to
	}
	u.Names.stripSetCookies(h)
	if u.Names.bound {
		u.bindAnswer(h, path, id, expire)
	}
	u.pass(w, h, a)
	return true, false
}

// notDialed reports whether an error says that there was no connection at all.
func notDialed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// head writes the request as the CRM is to see it; r stays as it is.
func (u *Upstream) head(head *wire.Head, r *http.Request, path Path, id *Identity, e *endpoint, cookies []string, now time.Time) error {
	target, host := path.Target, r.Host
	if e.base != "" {
		target = e.base + target
	}
	if !u.cfg.PreserveHost {
		host = e.host
	}
	head.Start(r.Method, target, host)
	for name, values := range r.Header {
		switch {
		case hopByHop(name), name == "Content-Length", name == "Host", u.Names.refused(name, u.cfg.UnderscoreHeaders):
		case name == "Cookie":
			for _, line := range cookies {
				if kept := u.Names.withoutOwn(line); kept != "" {
					head.Add(name, kept)
				}
			}
		default:
			for _, v := range values {
				head.Add(name, v)
			}
		}
	}
	o := audit.OriginOf(r.Context())
	for _, f := range u.forwarded(o) {
		if f.value != "" {
			head.Add(f.name, f.value)
		}
	}
	if o.Trusted {
		for _, v := range r.Header["Tracestate"] {
			head.Add("Tracestate", v)
		}
	}
	if u.secret != nil {
		head.Add(u.secretName, u.secret[0])
	}
	return id.write(head, now, func() *boundTo { return u.boundTo(r, path) })
}

// pass copies an answer to the client as Upstream.answer does.
func (u *Upstream) pass(w http.ResponseWriter, h http.Header, a *wire.Answer) {
	announced := h["Trailer"]
	removeHopByHop(h)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // the server would guess one, and a guess of HTML is a hole
	}
	if len(announced) > 0 {
		h["Trailer"] = announced
		delete(h, "Content-Length")
	}
	w.WriteHeader(a.Status)
	var err error
	if a.Length >= 0 && !strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
		_, err = a.WriteTo(w)
	} else {
		err = u.pump(w, a, true)
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if len(a.Trailer) > 0 {
		// Unannounced ones may be among them; with the prefix both pass.
		trailers(w, a.Trailer, -1)
	}
}
