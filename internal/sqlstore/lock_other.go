//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package sqlstore

import "context"

// lockDirectory does nothing where there is no flock(2): there the first start of a new version has to be over before another
// process opens the file.
func lockDirectory(context.Context, string) (unlock func(), err error) { return func() {}, nil }
