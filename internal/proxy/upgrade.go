package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
)

// webSocket reports whether a request asks for a WebSocket (RFC 6455, 4.1), which has no body and is never HTTP/1.0. Other upgrades are not passed on and the
// request is served without: behind "h2c" a client could send any number of requests that no rule sees.
func webSocket(r *http.Request) bool {
	up := r.Header["Upgrade"]
	return len(up) == 1 && strings.EqualFold(up[0], "websocket") && r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor > 0 && r.ContentLength == 0 &&
		hasToken(r.Header["Connection"], "upgrade")
}

// upgrade opens a tunnel. When it returns the tunnel may be open, and is nobody's but its own.
func (u *Upstream) upgrade(w http.ResponseWriter, r *http.Request, path Path, id *Identity) {
	if !u.OwnOrigin(r) {
		u.Fail.Fail(w, r, fault.New(fault.Forbidden, "A page of another site tried to open a connection in your name. It was refused.").WithReason("foreign_origin"))
		return
	}
	state := r.Header["Tracestate"]
	expire := u.unbindRequest(r.Header, id)
	u.Names.stripRequest(r.Header, u.cfg.UnderscoreHeaders)
	switching(r.Header)
	now := u.now()
	if err := u.dress(r, r.Header, state, path, id, now); err != nil {
		u.Fail.Fail(w, r, err)
		return
	}
	// The request's context ends with this function, and the tunnel does not.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer context.AfterFunc(r.Context(), cancel)()
	t := &tunnel{upstream: u, cancel: cancel, endpoint: u.choose(r, id, nil)}
	defer func() {
		if t.client == nil {
			t.end()
		}
	}()
	t.flight.client = w
	u.flights.add(ctx, &t.flight, id, canceled(cancel), now)
	res, err := u.open(r.WithContext(ctx), r, path, id, &t.endpoint)
	if err != nil {
		u.fail(w, r, err, nil)
		return
	}
	u.Names.stripSetCookies(res.Header)
	if u.Names.bound {
		u.bindAnswer(res.Header, path, id, expire)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		defer res.Body.Close()
		if !u.flights.hold(&t.flight, res.Body) {
			u.Fail.Fail(w, r, errSessionEnded)
			return
		}
		u.answer(w, res)
		return
	}
	crm, ok := res.Body.(io.ReadWriteCloser)
	if up := res.Header["Upgrade"]; !ok || len(up) != 1 || !strings.EqualFold(up[0], "websocket") {
		_ = res.Body.Close()
		u.fail(w, r, errors.New("upstream switched to a protocol that nobody asked for"), nil)
		return
	}
	t.crm = crm
	u.connect(t, w, r, res)
}

// switching says in a header that was stripped that the protocol is to change.
func switching(h http.Header) {
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
}

// connect takes the client's connection from the server, answers and lets the tunnel run.
func (u *Upstream) connect(t *tunnel, w http.ResponseWriter, r *http.Request, res *http.Response) {
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = t.crm.Close()
		u.fail(w, r, fmt.Errorf("take connection for a tunnel: %w", err), nil)
		return
	}
	t.client = client
	u.flights.tunneled(&t.flight)
	h := w.Header()
	removeHopByHop(res.Header)
	for name, values := range res.Header {
		h[name] = values
	}
	switching(h)
	res.Header, res.Body = h, nil // the head alone is written
	if err = res.Write(buffered); err == nil {
		err = buffered.Flush()
	}
	var ahead []byte // what the client sent without waiting for the answer
	if n := buffered.Reader.Buffered(); n > 0 {
		ahead, _ = buffered.Reader.Peek(n)
	}
	if err != nil || !u.flights.hold(&t.flight, t) {
		t.end()
		return
	}
	t.run(ahead)
}

// OwnOrigin reports whether the page that opens a WebSocket is ours: browsers send cookies with a WebSocket whoever opens it, and no
// same-origin policy stops them. Programs that are no browsers send no Origin.
func (u *Upstream) OwnOrigin(r *http.Request) bool {
	lines := r.Header["Origin"]
	if len(lines) == 0 {
		return true
	}
	origin, err := url.Parse(lines[0])
	if err != nil || len(lines) > 1 || origin.Host == "" {
		return false
	}
	same := func(scheme, host string) bool {
		return strings.EqualFold(origin.Scheme, scheme) && strings.EqualFold(origin.Host, host)
	}
	// The host of the request is as good as the public one: the cookie that came with it belongs to that host.
	o := audit.OriginOf(r.Context())
	return same(u.PublicURL.Scheme, u.PublicURL.Host) || o.Host != "" && same(o.Scheme, o.Host)
}

// crossSite reports whether a page of another site makes a browser send a request that may change something. Sub-domains of the same
// site count as others: the cookie comes along from there whatever its SameSite says. Programs that are no browsers say nothing.
func (u *Upstream) crossSite(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 0 {
		return len(site) > 1 || site[0] != "same-origin" && site[0] != "none"
	}
	return !u.OwnOrigin(r)
}
