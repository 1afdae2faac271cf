package realtest_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"crmgate/internal/realtest"
)

// TestServersDieWithTheTestBinary kills a test binary the hard way; no cleanup runs in it.
func TestServersDieWithTheTestBinary(t *testing.T) {
	const asChild = "REALTEST_CHILD"
	if os.Getenv(asChild) != "" {
		addr, _ := realtest.Redis(t)
		os.Stdout.WriteString("addr " + addr + "\n")
		select {}
	}
	realtest.Redis(t) // skips here, not in the child, where Redis is not installed
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), asChild+"=1", "TMPDIR="+t.TempDir()) // nothing in the child tidies up
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "addr ")
	if err != nil || !ok || !listens(addr) {
		t.Errorf("child said %q, %v; want the address of a running server", line, err)
	}
	child.Process.Kill()
	child.Wait()
	for range 1200 {
		if !listens(addr) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("the server at %s outlived its test binary", addr)
}

func listens(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
