package provider

import "time"

// maxPause is how long a failure is remembered at most. See askTimeout.
const maxPause = 5 * time.Second

// backoff remembers a failure for a while, so that a provider in trouble is not asked by every request. Its owner's lock guards it.
type backoff struct {
	err   error
	until time.Time
	pause time.Duration
}

// failed returns the remembered failure; nil says ask again.
func (b *backoff) failed(now time.Time) error {
	if b.err != nil && now.Before(b.until) {
		return b.err
	}
	return nil
}

// note remembers the outcome of a question: 1, 2, 4, then 5 seconds.
func (b *backoff) note(now time.Time, err error) {
	if err == nil {
		*b = backoff{}
		return
	}
	b.pause = min(max(2*b.pause, time.Second), maxPause)
	b.err, b.until = err, now.Add(b.pause)
}
