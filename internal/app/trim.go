package app

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// trimFirst is when the start is over: keys, stores and settings have been read.
	trimFirst = 200 * time.Millisecond
	// trimRest is how long nothing is given back after each time: to map again what is needed again takes a millisecond or two, which a
	// busy gateway had better not pay all the time.
	trimRest = time.Second
	// trimWorth is how much of its own file the process must have got hold of since.
	trimWorth = 8 << 20
)

// trimming gives back what was needed once, until ctx ends: the garbage of the start, and pages of the program's own file. The file is many
// times what a gateway at work reads of it; a start or a first sign-in maps half of it, in pieces of 64 kB around each function it calls,
// and that would be most of what a gateway occupies.
func (a *App) trimming(ctx context.Context) error {
	kept := int64(0)
	for wait := trimFirst; ; wait = trimRest {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if kept == 0 {
			debug.FreeOSMemory()
		} else if mapped, err := filePages(); err == nil && mapped < kept+trimWorth {
			continue
		}
		err := trim()
		if err == nil {
			kept, err = filePages()
		}
		if err != nil {
			a.Log.Debug("memory not given back", "error", err)
			return nil
		}
	}
}
