package throttle

import (
	"net/netip"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// maxClients bounds the memory of one Limiter to a few megabytes. Where more clients than this come within two minutes, the ones
// that ask least are forgotten and start with a full allowance.
const maxClients = 1 << 16

// forgetAfter is longer than a used-up allowance needs to fill again, so forgetting an idle client changes nothing.
const forgetAfter = 2 * time.Minute

// Limiter holds how many requests of one sort a client address may make per minute. It lives in memory: each replica counts
// its own. Safe for concurrent use; must not be copied after first use.
type Limiter struct {
	// PerMinute is the rate and the burst; 0 is no limit.
	PerMinute int
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	once    sync.Once
	clients *otter.Cache[netip.Prefix, *rate.Limiter]
}

// Allow counts one request of an address (an IP without port; IPv6 counts by its /64 network) and reports whether it may go on.
// Everything that is no address counts as one client.
func (l *Limiter) Allow(address string) bool {
	if l.PerMinute <= 0 {
		return true
	}
	l.open()
	key := network(address)
	client, ok := l.clients.GetIfPresent(key)
	if !ok {
		client, _ = l.clients.ComputeIfAbsent(key, func() (*rate.Limiter, bool) {
			return rate.NewLimiter(rate.Limit(float64(l.PerMinute)/60), l.PerMinute), false
		})
	}
	now := time.Now
	if l.Now != nil {
		now = l.Now
	}
	return client.AllowN(now(), 1)
}

func (l *Limiter) open() {
	l.once.Do(func() {
		l.clients = otter.Must(&otter.Options[netip.Prefix, *rate.Limiter]{
			MaximumSize:      maxClients,
			ExpiryCalculator: otter.ExpiryAccessing[netip.Prefix, *rate.Limiter](forgetAfter),
		})
	})
}

// network returns what an address is counted by: a single IPv4 address, the /64 that one IPv6 subscriber gets, and the zero
// prefix for junk.
func network(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.WithZone("").Unmap()
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
