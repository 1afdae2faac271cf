package realtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// missing ends the test because something is not installed: skipped on a person's machine, failed where CI is set.
func missing(t testing.TB, what, remedy string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: %s", what, remedy)
	}
	t.Skipf("%s is missing; this test needs the real one: %s", what, remedy)
}

// lookPath finds an executable in PATH or where Debian keeps servers, which a person's PATH may leave out.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	return path, err
}

// program returns the path of an executable, or ends the test.
func program(t testing.TB, name, remedy string) string {
	t.Helper()
	path, err := lookPath(name)
	if err != nil {
		missing(t, name, remedy)
	}
	return path
}

// root returns the top of the repository: the nearest directory above the test that holds go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("find repository: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("find repository: no go.mod above the test's directory")
		}
		dir = up
	}
}

// Program returns the path of an executable that a test runs itself; package is Debian's. Where it is missing the test is skipped, in CI it fails.
func Program(t testing.TB, name, debian string) string {
	t.Helper()
	return program(t, name, "apt-get install "+debian)
}

// Root returns the top of the repository.
func Root(t testing.TB) string {
	t.Helper()
	return root(t)
}
