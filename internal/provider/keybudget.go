package provider

import "time"

// source is where a token came from. Each has a budget: whoever floods the gateway with bad tokens must not be able to
// keep the keys of a genuine rotation from those who sign in. Later ones pay for the earlier ones too, so that all together stay within bounds.
type source int

const (
	// fromProvider is a token that the provider itself answered with.
	fromProvider source = iota
	// fromAnybody is one that was sent to us: logout and revocation tokens, access tokens of programs.
	fromAnybody
	sources int = iota
)

const (
	// freeFetches is how many fetches in a row may be useless before there are pauses.
	freeFetches = 3
	// maxFetchPause is the longest pause; before it there are 1, 2 and 4 seconds. It is as short as this because every fetch brings all keys,
	// a stranger's too: in the middle of a flood the keys of a rotation are here after one pause.
	maxFetchPause = 5 * time.Second
	// tokensPerFetch is how many bad tokens it takes, beside the pause, to cause another fetch: fifty in two minutes cause at most ten, and fifty of both
	// kinds in one.
	// After lonely one is enough.
	tokensPerFetch = 8
	lonely         = 20 * time.Second
	// quiet is how long without a useless fetch makes up for all of them.
	quiet = 10 * time.Minute
)

// fetchBudgets are those of all sources.
type fetchBudgets [sources]fetchBudget

// judge counts a fetch for a token from a source.
func (b *fetchBudgets) judge(from source, now time.Time, round int, useful bool) {
	for i := from; int(i) < sources; i++ {
		b[i].judge(now, round, useful)
	}
}

// fetchBudget bounds the fetches for keys that do not exist. A fetch that brings the wanted key is free, so a rotation costs nothing.
// The owner's lock guards it.
type fetchBudget struct {
	useless int       // fetches in a row that did not bring the wanted key
	refused int       // tokens that wanted one since the last of them
	judged  int       // the round of the last of them
	last    time.Time // when that was
}

// allows says whether another fetch is affordable, for a token whose key is not there.
func (b *fetchBudget) allows(now time.Time) bool {
	since := now.Sub(b.last)
	if since > quiet {
		b.useless = 0
	}
	if b.useless < freeFetches {
		return true
	}
	b.refused++
	pause := min(time.Second<<min(b.useless-freeFetches, 10), maxFetchPause)
	return since >= pause && (b.refused >= tokensPerFetch || since >= lonely)
}

// judge counts a fetch that did not help; once, however many tokens waited for it.
func (b *fetchBudget) judge(now time.Time, round int, useful bool) {
	switch {
	case useful:
		b.useless = 0
	case b.judged != round:
		b.useless, b.refused, b.judged, b.last = b.useless+1, 0, round, now
	}
}
