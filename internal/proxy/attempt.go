package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"crmgate/internal/audit"
)

// attempt sends a request to an address, and once more to another where that can do no harm. Sent is its body, nil for none.
func (u *Upstream) attempt(out, in *http.Request, path Path, id *Identity, early *early, sent **body) (*http.Response, *endpoint, error) {
	e := u.choose(in, id, nil)
	u.address(out, in, path, e)
	res, err := u.send(out, e, early)
	if err == nil || !u.again(out, err, early, *sent) {
		return res, e, err
	}
	if *sent != nil { // nothing of it was read
		*sent = &body{from: in, to: out}
		out.Body = *sent
	}
	e.inFlight.Add(-1)
	u.pool.retries.Add(1)
	e = u.choose(in, id, e)
	u.address(out, in, path, e)
	res, err = u.send(out, e, early)
	return res, e, err
}

// choose picks an address and counts a request there; whoever asked counts it off.
func (u *Upstream) choose(r *http.Request, id *Identity, not *endpoint) *endpoint {
	e := u.pool.endpoints[0]
	if len(u.pool.endpoints) > 1 {
		e = u.pool.pick(u.stickyKey(r, id), not, u.now())
	}
	e.inFlight.Add(1)
	e.requests.Add(1)
	return e
}

// stickyKey is what ties a request to one of the addresses: the session, and before there is one the client's address.
func (u *Upstream) stickyKey(r *http.Request, id *Identity) uint64 {
	switch {
	case !u.cfg.Sticky:
		return 0
	case id != nil && id.person.Session != "":
		return hash(1, id.person.Session)
	}
	return hash(2, audit.OriginOf(r.Context()).Address)
}

func (u *Upstream) send(out *http.Request, e *endpoint, early *early) (*http.Response, error) {
	early.connected.Store(false)
	res, err := e.transport.RoundTrip(out)
	switch {
	case err == nil:
		u.note(e, res.StatusCode, true)
	case out.Context().Err() == nil:
		u.note(e, 0, early.connected.Load() || len(u.pool.endpoints) == 1)
	}
	return res, err
}

// again reports whether a request that brought no answer may be tried at another address: where no connection came about nothing was
// sent; otherwise the first address may have acted, and only a method that changes nothing may be repeated (RFC 9110, 9.2.1). After
// a timeout nobody wants to wait as long again. With one address the Transport alone tries again, on a connection of its own.
func (u *Upstream) again(out *http.Request, err error, early *early, sent *body) bool {
	if len(u.pool.endpoints) == 1 || out.Context().Err() != nil || sent.touched() {
		return false
	}
	if !early.connected.Load() {
		return true
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return false
	}
	return sent == nil && (out.Method == http.MethodGet || out.Method == http.MethodHead || out.Method == http.MethodOptions)
}

// tunnelTo is the way of an upgrade: it has no body, so only the connection can be tried again.
type tunnelTo struct {
	upstream *Upstream
	in       *http.Request
	path     Path
	id       *Identity
	endpoint *endpoint
}

// RoundTrip sends the request for an upgrade.
func (t *tunnelTo) RoundTrip(out *http.Request) (*http.Response, error) {
	u := t.upstream
	for tries := 0; ; tries++ {
		var connected atomic.Bool
		once := out.WithContext(httptrace.WithClientTrace(out.Context(), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}))
		u.address(once, t.in, t.path, t.endpoint)
		res, err := t.endpoint.tunnel.RoundTrip(once)
		switch {
		case err == nil:
			u.note(t.endpoint, res.StatusCode, true)
			return res, nil
		case errors.Is(err, context.Canceled):
			return nil, err
		}
		u.note(t.endpoint, 0, connected.Load())
		if tries > 0 || connected.Load() || len(u.pool.endpoints) == 1 {
			return nil, err
		}
		t.endpoint.inFlight.Add(-1)
		u.pool.retries.Add(1)
		t.endpoint = u.choose(t.in, t.id, t.endpoint)
	}
}
