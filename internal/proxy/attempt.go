package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"

	"crmgate/internal/audit"
)

// attempt sends a request to an address, and once more to another where it may and where that can do no harm.
func (u *Upstream) attempt(out, in *http.Request, path Path, id *Identity, early *early, e **endpoint, again bool) (*http.Response, error) {
	u.address(out, in, path, *e)
	res, err := u.send(out, *e, early)
	if err == nil || !again || !repeatable(out, err, early) {
		return res, err
	}
	early.renew(out)
	*e = u.elsewhere(*e, in, id)
	u.address(out, in, path, *e)
	return u.send(out, *e, early)
}

// elsewhere chooses another address than e for a request that failed there.
func (u *Upstream) elsewhere(e *endpoint, r *http.Request, id *Identity) *endpoint {
	e.inFlight.Add(-1)
	u.pool.retries.Add(1)
	return u.choose(r, id, e)
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
	early.unsent = false
	res, err := roundTrip(e.transport, out)
	for err != nil && early.unsent && out.Context().Err() == nil { // ends: each time a connection that was kept is closed
		early.renew(out)
		early.unsent = false // or it stays, where no connection comes about
		res, err = roundTrip(e.transport, out)
	}
	switch {
	case err == nil:
		u.note(e, res.StatusCode, true)
	case out.Context().Err() == nil:
		u.note(e, 0, early.connected.Load() || len(u.pool.endpoints) == 1)
	}
	return res, err
}

// roundTrip is RoundTrip without answers that have no status: the Transport takes any three digits, and a server of ours cannot pass those on.
func roundTrip(t *http.Transport, out *http.Request) (*http.Response, error) {
	res, err := t.RoundTrip(out)
	if err != nil || res.StatusCode >= 100 {
		return res, err
	}
	return nil, errors.Join(fmt.Errorf("read answer: status %03d", res.StatusCode), res.Body.Close())
}

// repeatable reports whether a request that brought no answer may be tried at another address: where no connection came about nothing
// was sent; otherwise the first address may have acted, and only a method that changes nothing may be repeated (RFC 9110, 9.2.1). After
// a timeout nobody wants to wait as long again. With one address the Transport alone tries again, on a connection of its own.
func repeatable(out *http.Request, err error, early *early) bool {
	if out.Context().Err() != nil || early.sent.touched() {
		return false
	}
	if !early.connected.Load() {
		return true
	}
	return !timedOut(err) && early.sent == nil && (out.Method == http.MethodGet || out.Method == http.MethodHead || out.Method == http.MethodOptions)
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// open sends the request for an upgrade. It has no body, and only where no connection came about is another address tried.
func (u *Upstream) open(out, in *http.Request, path Path, id *Identity, e **endpoint) (*http.Response, error) {
	out.Body = nil
	for tries := 0; ; tries++ {
		var early early
		once := out.WithContext(httptrace.WithClientTrace(out.Context(), &httptrace.ClientTrace{GotConn: early.got}))
		u.address(once, in, path, *e)
		res, err := roundTrip((*e).tunnel, once)
		switch {
		case err == nil:
			u.note(*e, res.StatusCode, true)
			return res, nil
		case errors.Is(err, context.Canceled):
			return nil, err
		}
		u.note(*e, 0, early.connected.Load())
		if tries > 0 || early.connected.Load() || len(u.pool.endpoints) == 1 {
			return nil, err
		}
		*e = u.elsewhere(*e, in, id)
	}
}
