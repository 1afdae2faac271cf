//go:build unix

package wire

import "syscall"

// Keeps reports whether connections are kept on this system. Where they are not, this package is no gain.
const Keeps = true

// nothingToRead asks the operating system without waiting. Bytes that wait, an end and an error are all no.
func nothingToRead(fd uintptr) bool {
	var b [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if err != syscall.EINTR {
			return err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		}
	}
}
