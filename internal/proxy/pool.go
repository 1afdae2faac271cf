package proxy

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// failuresToEject is how many answers in a row that say "not now" (502, 503, 504) or never come take an address out. A connection
	// that cannot be made takes it out at once.
	failuresToEject = 5
	// firstRest is how long an address that failed is passed over; it doubles with each time in a row, up to longestRest.
	firstRest, longestRest = time.Second, time.Minute
)

// endpoint is one address of a CRM, with what is known of its health. It is safe for concurrent use.
type endpoint struct {
	// address is what the configuration says, for people.
	address string
	// scheme and host are for url.URL; base is the path that goes before that of the request.
	scheme, host, base string
	// transport is for requests, tunnel for upgrades, which only HTTP/1.1 has.
	transport, tunnel *http.Transport
	// short is nil where there is no short way.
	short *short
	// seed tells the addresses apart where a session is tied to one of them. It depends on the address alone, so that
	// several gateways come to the same.
	seed uint64

	inFlight           atomic.Int64
	requests, failures atomic.Uint64
	// streak counts failures in a row; a success ends it.
	streak atomic.Int32
	// rests counts how often in a row the address was passed over, until (Unix nanoseconds) is when that ends.
	rests atomic.Int32
	until atomic.Int64
	// down is what the active check found last.
	down atomic.Bool
}

func newEndpoint(cfg Config, raw string, plain, h2c *http.Transport) (*endpoint, error) {
	target, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	e := &endpoint{address: raw, scheme: target.Scheme, host: target.Host, base: strings.TrimSuffix(target.EscapedPath(), "/"),
		transport: plain, tunnel: plain, seed: hash(0, raw)}
	e.short = newShort(cfg, e.scheme, e.host)
	if e.scheme == h2cScheme {
		e.scheme, e.transport = "http", h2c
	}
	return e, nil
}

// rested reports whether an address may be asked at a moment.
func (e *endpoint) rested(now int64) bool { return !e.down.Load() && e.until.Load() <= now }

// succeeded notes that an address answered.
func (e *endpoint) succeeded() {
	if e.streak.Load() != 0 { // the usual request writes nothing that other processors have to read again
		e.streak.Store(0)
		e.rests.Store(0)
		e.until.Store(0)
	}
}

// failed notes a failure. Unreachable is true where not even a connection was made. It reports whether the address rests from now on.
func (e *endpoint) failed(unreachable bool, now time.Time) bool {
	e.failures.Add(1)
	n := e.streak.Add(1)
	if unreachable {
		n = e.streak.Add(failuresToEject)
	}
	until := e.until.Load()
	if n < failuresToEject || until > now.UnixNano() {
		return false
	}
	rest := firstRest << min(e.rests.Load(), 10)
	if !e.until.CompareAndSwap(until, now.Add(min(rest, longestRest)).UnixNano()) {
		return false // another request that failed as well was quicker
	}
	e.rests.Add(1)
	return true
}

// pool is the addresses of one CRM.
type pool struct {
	endpoints []*endpoint
	retries   atomic.Uint64
}

// pick chooses the address for a request, other than not, which may be nil: of two picked at random the one with fewer requests under way,
// or, where key is not zero, the one that the key is tied to. Those that are out of order are passed over as long as any other is left.
func (p *pool) pick(key uint64, not *endpoint, now time.Time) *endpoint {
	if len(p.endpoints) == 1 {
		return p.endpoints[0]
	}
	at := now.UnixNano()
	usable := func(e *endpoint) bool { return e != not && e.rested(at) }
	n := 0
	for _, e := range p.endpoints {
		if usable(e) {
			n++
		}
	}
	if n == 0 { // better one that may fail than none
		usable = func(e *endpoint) bool { return e != not }
		n = len(p.endpoints)
		if not != nil {
			n--
		}
	}
	if key != 0 {
		return p.tied(key, usable)
	}
	if n == 1 {
		return p.nth(0, usable)
	}
	i := rand.IntN(n)
	j := rand.IntN(n - 1)
	if j >= i {
		j++
	}
	a, b := p.nth(i, usable), p.nth(j, usable)
	if b.inFlight.Load() < a.inFlight.Load() {
		return b
	}
	return a
}

func (p *pool) nth(i int, usable func(*endpoint) bool) *endpoint {
	for _, e := range p.endpoints {
		if usable(e) {
			if i == 0 {
				return e
			}
			i--
		}
	}
	return p.endpoints[0] // one that was usable has just stopped being so
}

// tied is rendezvous hashing: each key has an order of all addresses of its own, so where one goes away only its keys move, and spread.
func (p *pool) tied(key uint64, usable func(*endpoint) bool) *endpoint {
	var best *endpoint
	var most uint64
	for _, e := range p.endpoints {
		if usable(e) {
			if w := mix(key ^ e.seed); best == nil || w > most {
				best, most = e, w
			}
		}
	}
	return cmp.Or(best, p.endpoints[0])
}

// hash is FNV-1a; it must come to the same in every process.
func hash(seed uint64, s string) uint64 {
	h := seed ^ 14695981039346656037
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h) | 1
}

// mix spreads the bits of x over all of the result (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// note keeps the score of an exchange that ended with a status, or 0 for none. Connected is false where not even a connection was made.
func (u *Upstream) note(e *endpoint, status int, connected bool) {
	switch status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if e.failed(!connected, u.now()) && u.Log != nil && len(u.pool.endpoints) > 1 {
			u.Log.Warn("an address of the CRM fails and is passed over for now", "upstream", u.cfg.ID, "url", e.address)
		}
	default:
		e.succeeded()
	}
}

// EndpointStatus is how one address of a CRM does.
type EndpointStatus struct {
	URL string
	// Healthy is false while requests are kept from it.
	Healthy bool
	// InFlight are the requests and tunnels under way.
	InFlight int64
	// Requests and Failures count since the start; a failure is no answer, or one that says "not now" (502, 503, 504).
	Requests, Failures uint64
}

// Status returns how each address does, and how many requests were tried again at another.
func (u *Upstream) Status() (endpoints []EndpointStatus, retries uint64) {
	now := u.now().UnixNano()
	for _, e := range u.pool.endpoints {
		endpoints = append(endpoints, EndpointStatus{e.address, e.rested(now), e.inFlight.Load(), e.requests.Load(), e.failures.Load()})
	}
	return endpoints, u.pool.retries.Load()
}
