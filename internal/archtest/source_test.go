package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// module is the name in go.mod.
const module = "crmgate"

// root is the top of the tree; tests run in their package's folder.
const root = "../.."

// source is one Go file.
type source struct {
	// name is the path from the root, with slashes.
	name string
	// pkg is the folder from the root.
	pkg     string
	test    bool
	imports []string
	file    *ast.File
	lines   int
	set     *token.FileSet
}

// span is how many lines a node has.
func (s source) span(n ast.Node) int {
	return s.set.Position(n.End()).Line - s.set.Position(n.Pos()).Line + 1
}

// skip reports whether a walk leaves an entry out.
func skip(name string, d fs.DirEntry) bool {
	if name == "." {
		return false
	}
	base := d.Name()
	top := !strings.Contains(name, "/")
	switch base {
	case ".git", "node_modules":
		return true
	case "data", "bin", "artifacts", ".cache":
		return top
	}
	return false
}

var parsed = sync.OnceValues(func() ([]source, error) {
	var out []source
	tree := os.DirFS(root)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if skip(name, d) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		// What stands in examples is for other people's programs to copy and no part of the house.
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, "examples/") {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		s := source{name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), file: file, set: set, lines: strings.Count(string(text), "\n")}
		for _, imp := range file.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, p)
		}
		out = append(out, s)
		return nil
	})
	return out, err
})

// sources returns every Go file of the tree.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatalf("parse the tree: %v", err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d Go files found below %s: the walk is broken", len(all), root)
	}
	return all
}

// packages returns the folders that hold Go files other than tests, sorted.
func packages(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, s := range sources(t) {
		if !s.test && !slices.Contains(out, s.pkg) {
			out = append(out, s.pkg)
		}
	}
	slices.Sort(out)
	return out
}

// own returns the folder of an import path of this module.
func own(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// files calls do for every file of the tree that is kept in the repository.
func files(t *testing.T, do func(name string, text []byte)) {
	t.Helper()
	tree := os.DirFS(root)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if skip(name, d) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || strings.HasSuffix(name, ".test") || strings.HasSuffix(name, ".prof") {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		do(name, text)
		return nil
	})
	if err != nil {
		t.Fatalf("walk the tree: %v", err)
	}
}
