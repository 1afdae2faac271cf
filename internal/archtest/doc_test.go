package archtest

import (
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// prose is what explains the code and goes stale when the code moves on: the package comments, and the README. It is keyed by file.
func prose(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, s := range sources(t) {
		if s.file.Doc != nil && !s.test {
			out[s.name] = s.file.Doc.Text()
		}
	}
	text, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	out["README.md"] = string(text)
	return out
}

var (
	testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`)
	fileName = regexp.MustCompile(`[\w./-]*\w\.(?:go|txtar|html|json|yaml|sql)\b`)
)

func TestProseNamesTestsThatThereAre(t *testing.T) {
	tests := map[string]bool{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	}
	for file, text := range prose(t) {
		for _, name := range testName.FindAllString(text, -1) {
			if !tests[name] {
				t.Errorf("%s names %s, and there is no such test any more: name the one that took its place", file, name)
			}
		}
	}
}

func TestProseNamesFilesThatThereAre(t *testing.T) {
	var names []string
	files(t, func(name string, _ []byte) { names = append(names, "/"+name) })
	for file, text := range prose(t) {
		for _, name := range fileName.FindAllString(text, -1) {
			if name == "crmgate.yaml" {
				continue // the administrator's
			}
			if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "/"+strings.TrimPrefix(name, "/")) }) {
				t.Errorf("%s names %s, and there is no such file any more", file, name)
			}
		}
	}
}

// Whoever meets a library finds out in the package's own comment why it is there, and so what its removal would take.
func TestLibrariesAreAccountedFor(t *testing.T) {
	docs := map[string]string{}
	for _, s := range sources(t) {
		if s.file.Doc != nil && !s.test {
			docs[s.pkg] += s.file.Doc.Text()
		}
	}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, imp := range s.imports {
			if name := libraryName(imp); name != "" && !strings.Contains(docs[s.pkg], name) {
				t.Errorf("%s imports %s, and the comment of %s does not say what for: add %q to its paragraph about libraries", s.name, imp, s.pkg, name)
			}
		}
	}
}

// libraryName is what prose calls the library of an import path: the repository's name without what every Go library has. Empty is the
// standard library, or our own.
func libraryName(imp string) string {
	parts := strings.Split(imp, "/")
	if !strings.Contains(parts[0], ".") {
		return ""
	}
	if parts[0] == "golang.org" {
		return path.Join(parts[1], parts[2])
	}
	name := parts[len(parts)-1]
	if len(parts) > 2 {
		name = parts[2]
	}
	if parts[0] == "modernc.org" || parts[0] == "go.yaml.in" {
		name = parts[1]
	}
	return strings.TrimSuffix(strings.TrimPrefix(name, "go-"), "-go")
}

func TestLibraryName(t *testing.T) {
	for imp, want := range map[string]string{
		"net/http": "", "crmgate/internal/fault": "", "golang.org/x/text/unicode/norm": "x/text", "github.com/go-jose/go-jose/v4": "jose",
		"github.com/ccojocar/zxcvbn-go": "zxcvbn", "modernc.org/sqlite": "sqlite", "go.yaml.in/yaml/v3": "yaml", "github.com/redis/rueidis": "rueidis",
	} {
		if got := libraryName(imp); got != want {
			t.Errorf("libraryName(%q) = %q, want %q", imp, got, want)
		}
	}
}
