package app

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	stats "runtime/metrics"
)

const (
	// heapFloor is how large the heap may always become. Without one a gateway at work, which keeps three megabytes and makes four kilobytes of
	// garbage for each request, would collect several times a second, and every collection looks at all stacks and sessions again.
	heapFloor = 16 << 20
	// The standard library's GOGC, and the most that is put in its place: more would let the heap grow far past the floor before the next
	// collection notices that many people have come.
	percentLeast, percentMost = 100, 400
	// percentStep is the least change that is worth stopping everything for a moment.
	percentStep = 20
)

// collecting adapts after each garbage collection how much may come together before the next one, until ctx ends: at least heapFloor in all,
// and no more than usual for a heap that is larger than that already. Whoever sets GOGC has decided.
func (a *App) collecting(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	defer debug.SetGCPercent(percentLeast)
	collected := make(chan struct{}, 1)
	for now := percentLeast; ; {
		if next := percentFor(marked()); next < now-percentStep || next > now+percentStep || next == percentLeast && now != next {
			debug.SetGCPercent(next)
			now = next
		}
		whenCollected(collected)
		select {
		case <-ctx.Done():
			return nil
		case <-collected:
		}
	}
}

// percentFor returns the GOGC that lets a heap with so many live bytes grow to the floor.
func percentFor(live uint64) int {
	if live >= heapFloor {
		return percentLeast
	}
	return int(min(max((heapFloor-live)*100/max(live, 1), percentLeast), percentMost))
}

// marked returns how much was alive at the last collection.
func marked() uint64 {
	s := []stats.Sample{{Name: "/gc/heap/live:bytes"}}
	stats.Read(s)
	if s[0].Value.Kind() != stats.KindUint64 {
		return heapFloor // a library that does not tell: nothing is changed
	}
	return s[0].Value.Uint64()
}

// whenCollected sends to ch after the next collection.
func whenCollected(ch chan struct{}) {
	garbage := new([4]*byte) // too large to share its memory with anything that lives
	runtime.AddCleanup(garbage, func(ch chan struct{}) {
		select {
		case ch <- struct{}{}:
		default:
		}
	}, ch)
}
