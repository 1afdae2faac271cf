package realtest

import (
	"net"
	"runtime"
	"testing"
)

// Two test binaries that look for a free port at the same time must not find the same one.
func TestAddrIsKeptFromOthers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux's abstract sockets")
	}
	addr := Addr(t)
	if reserve(t, addr) {
		t.Errorf("%s is given out twice", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("nobody can listen on it: %v", err)
	}
	l.Close()
}
