package archtest

import (
	"bytes"
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTopLevel(t *testing.T) {
	allowed := []string{"cmd", "internal", "config", "templates", "examples", "go.mod", "go.sum", "README.md", "LICENSE", "Makefile", ".ci", ".gitignore",
		"tools.mod", "tools.sum", ".golangci.yaml", ".golangci.yml", "staticcheck.conf", ".editorconfig"}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !skip(e.Name(), e) && !slices.Contains(allowed, e.Name()) && !strings.HasSuffix(e.Name(), ".test") && !strings.HasSuffix(e.Name(), ".prof") {
			t.Errorf("%s does not belong at the top: there are %s; find it a place in one of those, or add its name to .gitignore if it is made by a tool", e.Name(), strings.Join(allowed[:12], ", "))
		}
	}
}

func TestOneLevelOfPackages(t *testing.T) {
	for _, pkg := range packages(t) {
		if strings.HasPrefix(pkg, "internal/") && strings.Count(pkg, "/") > 1 && !isBeside(pkg) {
			t.Errorf("%s is a package inside a package: packages stand side by side under internal", pkg)
		}
	}
}

// emptyNames say nothing about what is inside, so everything ends up there.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base", "core", "lib", "pkg", "model", "models", "types", "manager", "managers", "interfaces", "constants", "errors"}

func TestNamesSayWhatIsInside(t *testing.T) {
	for _, s := range sources(t) {
		if name := path.Base(s.pkg); slices.Contains(emptyNames, name) {
			t.Errorf("%s: a package called %s would take anything; name it after the noun it owns", s.name, name)
		}
		if strings.ContainsAny(s.file.Name.Name, "_") && !strings.HasSuffix(s.file.Name.Name, "_test") {
			t.Errorf("%s: package %s: a package's name is one word", s.name, s.file.Name.Name)
		}
		switch base := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.name), ".go"), "_test"); base {
		case "types", "interface", "interfaces", "util", "utils", "helper", "helpers", "misc", "models", "constants":
			t.Errorf("%s: name the file after what is inside", s.name)
		}
	}
}

func TestEveryPackageIntroducesItself(t *testing.T) {
	docs, elsewhere := map[string]string{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.test || s.file.Doc == nil {
			continue
		}
		if path.Base(s.name) == "doc.go" {
			docs[s.pkg] = s.file.Doc.Text()
		} else {
			elsewhere[s.pkg] = true
		}
	}
	for _, pkg := range packages(t) {
		doc, ok := docs[pkg]
		switch {
		case ok && !strings.HasPrefix(doc, "Package "+path.Base(pkg)+" "):
			t.Errorf("%s/doc.go does not begin with \"Package %s \"", pkg, path.Base(pkg))
		case !ok && strings.HasPrefix(pkg, "internal/"):
			t.Errorf("%s has no doc.go with a package comment: say what it owns, what it does not, which neighbour does, and what was decided", pkg)
		case !ok && !elsewhere[pkg]:
			t.Errorf("%s has no package comment", pkg)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	const aim, limit = 400, 500
	for _, s := range sources(t) {
		switch {
		case s.lines > limit:
			t.Errorf("%s has %d lines, more than %d: look for the noun that is missing and give it a file of its own", s.name, s.lines, limit)
		case s.lines > aim:
			t.Logf("%s has %d lines; aim for fewer than %d", s.name, s.lines, aim)
		}
	}
}

func TestNothingHappensBeforeMain(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has a func init: do it in a New or Open that somebody calls", s.name)
			}
		}
	}
}

func TestNothingIsLeftForLater(t *testing.T) {
	mark := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			if m := mark.FindString(group.Text()); m != "" && s.pkg != "internal/archtest" {
				t.Errorf("%s says %s: do it now, or write down where it is planned", s.name, m)
			}
		}
	}
}

// machine finds paths and names that only one machine has. The pieces are put together here so that the file does not find
// itself.
var machine = regexp.MustCompile(strings.Join([]string{
	`/ho` + `me/[a-z]`, `/ro` + `ot/`, `/Us` + `ers/[A-Za-z]`, `C:\\\\?Us` + `ers`, `/wo` + `rk/(?:main|shared|\.)`, `/tm` + `p/(?:wt|bash_jobs)`,
}, "|"))

func TestNoTraceOfAMachine(t *testing.T) {
	hosts := foreignHosts()
	files(t, func(name string, text []byte) {
		if m := machine.Find(text); m != nil {
			t.Errorf("%s holds %q, a path of one machine: make it relative, or ask the environment", name, m)
		}
		for _, h := range hosts {
			if bytes.Contains(text, []byte(h)) {
				t.Errorf("%s holds the name of the registry that this machine is set up with: lock files name the public one", name)
			}
		}
		if path.Base(name) == "package-lock.json" {
			for _, m := range regexp.MustCompile(`"resolved": "([^"]*)"`).FindAllSubmatch(text, -1) {
				if !bytes.HasPrefix(m[1], []byte("https://registry.npmjs.org/")) {
					t.Errorf("%s fetches %q: it must name the public registry", name, m[1])
					break
				}
			}
		}
	})
}

// foreignHosts are the hosts of registries that the environment names in place of the public ones.
func foreignHosts() []string {
	var out []string
	public := []string{"proxy.golang.org", "sum.golang.org", "registry.npmjs.org", "registry.yarnpkg.com"}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "NPM_CONFIG_REGISTRY", "npm_config_registry"} {
		for _, m := range regexp.MustCompile(`https?://([A-Za-z0-9.-]+\.[A-Za-z0-9.-]+)`).FindAllStringSubmatch(os.Getenv(name), -1) {
			if !slices.Contains(public, m[1]) {
				out = append(out, m[1])
			}
		}
	}
	return out
}
