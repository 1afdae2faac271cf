package realtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 3 * time.Minute // generous: a loaded CI machine with two cores starts several servers at once
	stopTimeout  = time.Minute
)

// keeper runs the server and ends it with signal $1 when file descriptor 3, the leash, reaches its end: when the test
// closes it, and also when the test binary dies in any way at all. $2 is a directory to remove afterwards, or empty.
const keeper = `
signal=$1 litter=$2; shift 2
"$@" 3<&- & server=$!
( read -r _ <&3; kill -s "$signal" "$server" ) & watcher=$!
wait "$server"; code=$?
kill "$watcher" 2>/dev/null
[ -z "$litter" ] || rm -rf "$litter"
exit "$code"
`

// server is one child process. Its fields are set once; start and stop may alternate.
type server struct {
	name   string
	argv   []string
	env    []string // added to the test's own environment
	log    string   // file that takes the server's output, quoted when it does not start
	signal string   // ends it: TERM unless set
	litter string   // directory removed after its end, when no t.TempDir does it
	user   *syscall.Credential
	ready  func(context.Context) error

	leash io.Closer
	pid   int
	ended chan struct{}
}

// keep starts the server for the length of the test. If the test fails, the end of the server's log is part of its output.
func (s *server) keep(t testing.TB) {
	t.Helper()
	s.start(t)
	t.Cleanup(func() {
		s.stop(t)
		if t.Failed() {
			t.Logf("%s said:\n%s", s.name, tail(s.log))
		}
	})
}

// start runs the server and returns once it is ready; the test fails with the end of its log if it is not.
func (s *server) start(t testing.TB) {
	t.Helper()
	if s.ended != nil {
		t.Fatalf("start %s: it is running already", s.name)
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatalf("start %s: %v", s.name, err)
	}
	defer log.Close()
	held, leash, err := os.Pipe()
	if err != nil {
		t.Fatalf("start %s: %v", s.name, err)
	}
	defer held.Close()
	signal := s.signal
	if signal == "" {
		signal = "TERM"
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", keeper, "keeper", signal, s.litter}, s.argv...)...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Dir = "/" // a server that outlives its test must not hold the test's directory
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{held}
	// A group of its own: Ctrl-C in the terminal must reach the test binary first, which then lets go of the leash.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.user}
	if err := cmd.Start(); err != nil {
		leash.Close()
		t.Fatalf("start %s: %v", s.name, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	s.leash, s.pid, s.ended = leash, cmd.Process.Pid, ended

	if err := s.await(); err != nil {
		s.stop(t)
		t.Fatalf("start %s: %v\n%s", s.name, err, tail(s.log))
	}
}

// await polls ready until it succeeds, the server ends or time is up.
func (s *server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("not ready within %s: %w", startTimeout, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server and waits for it; a server that is not running is left alone.
func (s *server) stop(t testing.TB) {
	t.Helper()
	if s.ended == nil {
		return
	}
	s.leash.Close()
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
		t.Errorf("stop %s: still running after %s, killed", s.name, stopTimeout)
		_ = syscall.Kill(-s.pid, syscall.SIGKILL) // the group that start made, nobody else's
		<-s.ended
	}
	s.ended = nil
}

// tail returns the end of a log file for a failure message.
func tail(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// run executes a tool to its end with input on its standard input and fails the test with the tool's own words.
func run(t testing.TB, cmd *exec.Cmd, input string) string {
	t.Helper()
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("run %s: %v\n%s", filepath.Base(cmd.Path), err, out)
	}
	return string(out)
}
