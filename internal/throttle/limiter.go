package throttle

// Limiter holds how many requests of one sort a client address may make per minute. It lives in memory: each replica counts
// its own.
type Limiter struct {
	// PerMinute is the rate and the burst.
	PerMinute int
}

// Allow counts one request of an address (an IP without port; IPv6 counts by its /64 network) and reports whether it may go on.
func (l *Limiter) Allow(address string) bool { return true }
