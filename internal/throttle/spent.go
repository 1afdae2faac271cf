package throttle

import "time"

// Spent reports whether an address has used up its allowance, without counting. It goes with an Allow that is called for failures alone:
// who has failed too often is not even looked at.
func (l *Limiter) Spent(address string) bool {
	if l.PerMinute <= 0 {
		return false
	}
	l.open()
	client, ok := l.clients.GetIfPresent(network(address))
	now := time.Now
	if l.Now != nil {
		now = l.Now
	}
	return ok && client.TokensAt(now()) < 1
}
