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
		t.Fatalf("%s is not installed: %s", what, remedy)
	}
	t.Skipf("%s is not installed; this test needs the real one: %s", what, remedy)
}

// program returns the path of an executable, from PATH or from the places where Debian keeps servers.
func program(t testing.TB, name, remedy string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	missing(t, name, remedy)
	return ""
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
