//go:build !unix

package wire

// Keeps reports whether connections are kept on this system. Where they are not, this package is no gain.
const Keeps = false

// nothingToRead cannot be known here, so no connection is kept.
func nothingToRead(uintptr) bool { return false }
