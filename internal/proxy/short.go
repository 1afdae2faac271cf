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
// It costs about half. Whatever is not as plain as that goes the standard way, and so does everything once the CRM has sent an answer
// that package wire does not read.
type short struct {
	client wire.Client
	heads  sync.Pool
	off    atomic.Bool
}

// newShort returns nil where the CRM cannot be reached in the short way.
func newShort(cfg Config, scheme, address string) *short {
	if !cfg.FastGet || scheme != "http" || !wire.Keeps {
		return nil
	}
	dialer := &net.Dialer{Timeout: cfg.Timeouts.Connect, KeepAlive: 30 * time.Second}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), "80")
	}
	return &short{
		client: wire.Client{
			Dial:        func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", address) },
			HeadTimeout: cfg.Timeouts.ResponseHeader, MaxHead: maxAnswerBytes, MaxIdle: idlePerHost, IdleTimeout: idleTimeout,
		},
		heads: sync.Pool{New: func() any { return new(wire.Head) }},
	}
}

// suits reports whether a request can go the short way.
func (s *short) suits(r *http.Request) bool {
	if s == nil || r.Method != http.MethodGet && r.Method != http.MethodHead || r.ContentLength != 0 || len(r.TransferEncoding) > 0 || s.off.Load() {
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

// shortcut is exchange by the short way. It reports false, with nothing written and r untouched, where the standard way must be taken.
func (u *Upstream) shortcut(w http.ResponseWriter, r *http.Request, path Path, id *Identity) (done bool) {
	head := u.short.heads.Get().(*wire.Head)
	defer u.short.heads.Put(head)
	if err := u.head(head, r, path, id); err != nil {
		u.Fail.Fail(w, r, err)
		return true
	}
	h := w.Header()
	before := len(h)
	if before > 0 {
		h = http.Header{} // what stands there is kept and must not be mixed with the CRM's
	}
	a, err := u.short.client.Do(r.Context(), head, h, func(code int, h http.Header) error {
		u.Names.stripSetCookies(h)
		removeHopByHop(h)
		w.WriteHeader(code)
		return nil
	})
	switch {
	case errors.Is(err, wire.ErrUnusual):
		u.short.off.Store(true)
		return false
	case err != nil:
		u.fail(w, r, err, nil)
		return true
	}
	defer a.Close()
	if before > 0 {
		to := w.Header()
		for name, values := range h {
			to[name] = values
		}
		h = to
	}
	u.pass(w, h, a)
	return true
}

// head writes the request as the CRM is to see it; r stays as it is.
func (u *Upstream) head(head *wire.Head, r *http.Request, path Path, id *Identity) error {
	target, host := path.Target, r.Host
	if u.base != "" {
		target = u.base + target
	}
	if !u.cfg.PreserveHost {
		host = u.target.Host
	}
	head.Start(r.Method, target, host)
	for name, values := range r.Header {
		switch {
		case hopByHop(name), name == "Content-Length", u.Names.refused(name, u.cfg.UnderscoreHeaders):
		case name == "Cookie":
			for _, line := range values {
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
	return id.write(head, u.now())
}

// pass copies an answer to the client as Upstream.answer does.
func (u *Upstream) pass(w http.ResponseWriter, h http.Header, a *wire.Answer) {
	announced := h["Trailer"]
	removeHopByHop(h)
	u.Names.stripSetCookies(h)
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
