package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
)

// Serve passes a request on and the answer back. It edits r.Header in place. Path is what Canonical made of the request, id whom it is
// made for, nil for nobody; whether it may pass has been decided.
func (u *Upstream) Serve(w http.ResponseWriter, r *http.Request, path Path, id *Identity) {
	if webSocket(r) {
		u.upgrade(w, r, path, id)
		return
	}
	if id != nil && u.cfg.CrossSite == crossSiteRefuse && u.crossSite(r) {
		u.Fail.Fail(w, r, fault.New(fault.Forbidden, "This request came from another site and was refused. Open the page here and try again.").WithReason("cross_site"))
		return
	}
	e := u.choose(r, id, nil)
	defer func() { e.inFlight.Add(-1) }()
	again := len(u.pool.endpoints) > 1
	if e.short.suits(r, u) {
		done, failed := u.shortcut(w, r, path, id, e, again)
		if done {
			return
		}
		if failed {
			e, again = u.elsewhere(e, r, id), false
		}
	}
	u.exchange(w, r, path, id, &e, again)
}

var errSessionEnded = fault.New(fault.Unauthenticated, "You have been signed out. Sign in and try again.").WithReason("session_ended")

// exchange does what httputil.ReverseProxy does for a request without an upgrade. It is our own because that one copies the header
// map for every request, and the identity headers then make the copy grow: with them it costs over a tenth more than without, this
// costs nothing more. Where again is true a request that fails may be tried at another address, which e then is.
func (u *Upstream) exchange(w http.ResponseWriter, r *http.Request, path Path, id *Identity, e **endpoint, again bool) {
	trailers, state := hasToken(r.Header["Te"], "trailers"), r.Header["Tracestate"]
	expire := u.unbindRequest(r.Header, id)
	u.Names.stripRequest(r.Header, u.cfg.UnderscoreHeaders)
	if trailers {
		r.Header["Te"] = []string{"trailers"} // golang/go#21096: the CRM may hold trailers back without it
	}
	now := u.now()
	if err := u.dress(r, r.Header, state, path, id, now); err != nil {
		u.Fail.Fail(w, r, err)
		return
	}
	early := &early{w: w, upstream: u}
	ctx := early.trace(r.Context())
	var wait waiting
	if id != nil { // an answer that is waited for ends with the session, too
		ctx, wait.cancel = context.WithCancel(ctx)
		defer wait.cancel()
	}
	out := r.WithContext(ctx)
	if r.ContentLength == 0 {
		out.Body = nil // lets the Transport try again on a connection that the CRM had closed
	} else if r.Body != nil {
		wait.from, early.sent = w, &body{from: r, to: out}
		out.Body, out.Trailer = early.sent, u.announced(r.Trailer)
	}
	early.flight.client = w
	u.flights.add(r.Context(), &early.flight, id, wait, now)
	defer u.flights.done(&early.flight)
	res, err := u.attempt(out, r, path, id, early, e, again)
	defer early.sent.Close() // the Transport may still be reading when it has given up
	early.finish()
	if err != nil {
		if !u.flights.hold(&early.flight, nil) {
			u.Fail.Fail(w, r, errSessionEnded)
			return
		}
		u.fail(w, r, err, early.sent.broken())
		return
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		u.fail(w, r, errors.New("upstream switched protocols without being asked"), nil)
		return
	}
	if !u.flights.hold(&early.flight, res.Body) {
		u.Fail.Fail(w, r, errSessionEnded)
		return
	}
	u.Names.stripSetCookies(res.Header)
	if u.Names.bound {
		u.bindAnswer(res.Header, path, id, expire)
	}
	u.answer(w, res)
}

// dress puts what the gateway says into a header that was stripped. State is the inbound tracestate, believed with the traceparent.
func (u *Upstream) dress(r *http.Request, h http.Header, state []string, path Path, id *Identity, now time.Time) error {
	o := audit.OriginOf(r.Context())
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // or the Transport would name itself
	}
	// One allocation for all values.
	f := u.forwarded(o)
	v := new([len(f)]string)
	for i := range f {
		if f[i].value != "" {
			v[i] = f[i].value
			h[f[i].name] = v[i : i+1 : i+1]
		}
	}
	if o.Trusted && state != nil {
		h["Tracestate"] = state
	}
	u.knock(h)
	return id.apply(h, now, func() *boundTo { return u.boundTo(r, path) })
}

// scheme is what the client used. A balancer that ends TLS and is not listed as trusted must not turn the CRM's links into http.
func (u *Upstream) scheme(o audit.Origin) string {
	if !o.Trusted && u.PublicURL != nil {
		return u.PublicURL.Scheme
	}
	return o.Scheme
}

// knock adds the secret header that tells the CRM that a request came through here.
func (u *Upstream) knock(h http.Header) {
	if u.secret != nil {
		h[u.secretName] = u.secret
	}
}

type field struct{ name, value string }

// forwarded is what the CRM is told about where a request came from.
func (u *Upstream) forwarded(o audit.Origin) [5]field {
	return [...]field{{"X-Forwarded-For", o.Chain}, {"X-Forwarded-Proto", u.scheme(o)}, {"X-Forwarded-Host", o.Host},
		{"X-Request-Id", o.Reference}, {"Traceparent", o.Trace}}
}

// address points a copy of a request at one address of the CRM. The target is put into Opaque: every other field of url.URL is escaped anew, and the
// bytes that the client sent would not be the ones that the CRM gets.
func (u *Upstream) address(out, in *http.Request, path Path, e *endpoint) {
	out.URL = &url.URL{Scheme: e.scheme, Host: e.host, Opaque: e.base + path.Target}
	out.RequestURI = ""
	// A CRM that does not look for a body here takes it for the next request on the connection, with any identity that stands in it.
	out.Close = in.ContentLength != 0 && (in.Method == http.MethodGet || in.Method == http.MethodHead || in.Method == http.MethodOptions)
	if out.Host = in.Host; !u.cfg.PreserveHost {
		out.Host = e.host
	}
}

// fail answers a request that brought no answer from the CRM.
func (u *Upstream) fail(w http.ResponseWriter, r *http.Request, err, upload error) {
	var timeout net.Error
	switch {
	case r.Context().Err() != nil || errors.Is(err, context.Canceled):
		panic(http.ErrAbortHandler) // nobody is there to read an answer, and nothing is wrong
	case upload != nil:
		err = fault.Wrap(fault.Invalid, "What you were sending broke off before it was complete. Please send it again.", upload).WithReason("upload")
	case errors.As(err, &timeout) && timeout.Timeout():
		err = fault.Wrap(fault.Timeout, "The application behind this address took too long to answer. Try again in a moment.", err).WithReason("timeout")
	default:
		err = fault.Wrap(fault.Upstream, "The application behind this address does not answer. Try again in a moment.", err).WithReason("unreachable")
	}
	u.Fail.Fail(w, r, err)
}

// announced returns the request trailers that may be passed on, without their values: those come after the body.
func (u *Upstream) announced(trailer http.Header) http.Header {
	if len(trailer) == 0 {
		return nil
	}
	out := http.Header{}
	for name := range trailer {
		if !u.Names.refused(name, u.cfg.UnderscoreHeaders) && trailable(name) {
			out[name] = nil
		}
	}
	return out
}

// hasToken reports whether a list of tokens holds one, in any case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}
