package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// floors places every package; a package imports those of lower floors only.
var floors = [][]string{
	0: {"templates", "internal/fault", "internal/token", "internal/policy", "internal/audit", "internal/wire"},
	1: {"internal/identity", "internal/session", "internal/bearer", "internal/mfa", "internal/throttle", "internal/mail", "internal/proxy", "internal/middleware", "internal/page"},
	2: {"internal/account"},
	3: {"internal/provider", "internal/sqlstore", "internal/redisstore", "internal/storetest", "internal/signin", "internal/gateway"},
	4: {"internal/web", "internal/admin", "internal/scim", "internal/config"},
	5: {"internal/app"},
	6: {"cmd/crmgate"},
}

// beside are the packages outside the floors: what they offer is for tests and for the demo.
var beside = []string{"internal/demo", "internal/fakeidp", "internal/realtest", "internal/archtest"}

// ground is the one package of floor 0 that its neighbours may import: problems and faults are the words that all speak in.
const ground = "internal/fault"

// suite is the package that only tests import.
const suite = "internal/storetest"

// floorOf returns the floor of a package; false for one that nobody has placed.
func floorOf(pkg string) (int, bool) {
	for i, list := range floors {
		if slices.Contains(list, pkg) {
			return i, true
		}
	}
	return 0, false
}

// isBeside reports whether a package is beside the floors, or below one that is.
func isBeside(pkg string) bool {
	return slices.ContainsFunc(beside, func(b string) bool { return pkg == b || strings.HasPrefix(pkg, b+"/") })
}

func TestEveryPackageHasAFloor(t *testing.T) {
	for _, pkg := range packages(t) {
		if _, ok := floorOf(pkg); !ok && !isBeside(pkg) {
			t.Errorf("%s has no floor: decide which packages it may import and put it into the table in internal/archtest/floor_test.go", pkg)
		}
	}
	seen := map[string]bool{}
	for _, list := range floors {
		for _, pkg := range list {
			if seen[pkg] || isBeside(pkg) {
				t.Errorf("%s has two places in the table", pkg)
			}
			seen[pkg] = true
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		for _, imp := range s.imports {
			to, ours := own(imp)
			if !ours {
				continue
			}
			if why := forbidden(s.pkg, to, s.test); why != "" {
				t.Errorf("%s imports %s: %s", s.name, to, why)
			}
		}
	}
}

// forbidden says why a package must not import another, "" where it may.
func forbidden(from, to string, test bool) string {
	if test && (from == to || isBeside(to) || to == suite) {
		return ""
	}
	if isBeside(from) || to == ground && from != ground {
		return ""
	}
	if isBeside(to) {
		if from == "cmd/crmgate" && to == "internal/demo" {
			return ""
		}
		return "what stands beside the floors is for tests and for the demo; only cmd/crmgate imports demo"
	}
	if to == suite {
		return "it is a suite of tests; only test files import it"
	}
	below, ok := floorOf(from)
	above, known := floorOf(to)
	switch {
	case !ok || !known:
		return "" // TestEveryPackageHasAFloor says so
	case above > below:
		return fmt.Sprintf("imports point down, and that is floor %d above floor %d: let this package declare the small interface it needs, and package app connect the two", above, below)
	case above == below:
		return fmt.Sprintf("both are on floor %d, and neighbours do not import each other: move what they share down, or let this package declare the small interface it needs", below)
	}
	return ""
}

func TestForbidden(t *testing.T) {
	tests := []struct {
		name, from, to string
		test           bool
		ok             bool
	}{
		{"down", "internal/account", "internal/identity", false, true},
		{"far down", "internal/app", "internal/fault", false, true},
		{"to the ground", "internal/policy", "internal/fault", false, true},
		{"between words", "internal/policy", "internal/token", false, false},
		{"up", "internal/session", "internal/account", false, false},
		{"sideways", "internal/signin", "internal/gateway", false, false},
		{"between backends", "internal/sqlstore", "internal/redisstore", false, false},
		{"a backend and a flow", "internal/sqlstore", "internal/signin", false, false},
		{"a face imports configuration", "internal/web", "internal/config", false, false},
		{"code imports a fake", "internal/app", "internal/fakeidp", false, false},
		{"the command starts the demo", "cmd/crmgate", "internal/demo", false, true},
		{"the command starts a fake", "cmd/crmgate", "internal/fakeidp", false, false},
		{"the demo assembles", "internal/demo", "internal/app", false, true},
		{"code imports the suite", "internal/app", "internal/storetest", false, false},
		{"a test imports the suite", "internal/sqlstore", "internal/storetest", true, true},
		{"a test imports a server", "internal/provider", "internal/realtest", true, true},
		{"a test imports its package", "internal/policy", "internal/policy", true, true},
		{"a test looks up", "internal/account", "internal/sqlstore", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if why := forbidden(tt.from, tt.to, tt.test); (why == "") != tt.ok {
				t.Errorf("forbidden = %q, want ok %v", why, tt.ok)
			}
		})
	}
}
