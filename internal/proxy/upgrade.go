package proxy

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
)

// webSocket reports whether a request asks for a WebSocket (RFC 6455, 4.1), which has no body. Other upgrades are not passed on and the request is served
// without: behind "h2c" a client could send any number of requests that no rule sees.
func webSocket(r *http.Request) bool {
	up := r.Header["Upgrade"]
	return len(up) == 1 && strings.EqualFold(up[0], "websocket") && r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ContentLength == 0 &&
		hasToken(r.Header["Connection"], "upgrade")
}

// upgrade opens a tunnel. httputil.ReverseProxy does it well, and the copy it makes does not matter once per tunnel.
func (u *Upstream) upgrade(w http.ResponseWriter, r *http.Request, path Path, id *Identity) {
	if !u.OwnOrigin(r) {
		u.Fail.Fail(w, r, fault.New(fault.Forbidden, "A page of another site tried to open a connection in your name. It was refused.").WithReason("foreign_origin"))
		return
	}
	var failed error
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	r = r.WithContext(ctx)
	now := u.now()
	var f flight
	u.flights.add(ctx, &f, id, canceled(cancel), now)
	defer u.flights.done(&f)
	var expire []string
	way := &tunnelTo{upstream: u, in: r, path: path, id: id, endpoint: u.choose(r, id, nil)}
	defer func() { way.endpoint.inFlight.Add(-1) }()
	tunnel := httputil.ReverseProxy{
		Transport:  way,
		BufferPool: u.buffers,
		ErrorLog:   log.New(io.Discard, "", 0), // it knows only how a tunnel ended
		Rewrite: func(pr *httputil.ProxyRequest) {
			expire = u.unbindRequest(pr.Out.Header, id)
			u.Names.Strip(pr.Out.Header, u.cfg.UnderscoreHeaders)
			if failed = u.dress(pr.In, pr.Out.Header, pr.In.Header["Tracestate"], path, id, now); failed != nil {
				cancel() // Rewrite cannot refuse
			}
		},
		ModifyResponse: func(res *http.Response) error {
			u.Names.stripSetCookies(res.Header)
			if u.Names.bound {
				u.bindAnswer(res.Header, path, id, expire)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if failed != nil {
				u.Fail.Fail(w, r, failed)
				return
			}
			u.fail(w, r, err, nil)
		},
	}
	tunnel.ServeHTTP(w, r)
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
