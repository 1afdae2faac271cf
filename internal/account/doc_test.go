package account

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The tests that doc.go names as proof exist, in whatever package.
func TestProofsInDocExist(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(doc), -1) {
		missing[name] = true
	}
	if len(missing) < 20 {
		t.Fatalf("doc.go names %d tests", len(missing))
	}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	tree := os.DirFS("..")
	err = fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := fs.ReadFile(tree, path)
		for _, m := range declared.FindAllSubmatch(src, -1) {
			delete(missing, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range missing {
		t.Errorf("doc.go names %s, and there is no such test", name)
	}
}
