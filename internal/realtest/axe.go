package realtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Axe is the accessibility checker axe-core, as a script to evaluate in a page.
func Axe(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root(t), "internal", "realtest", "oidcprovider", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		missing(t, "the npm package axe-core", "run `npm ci --prefix internal/realtest/oidcprovider`; `make test` does it")
	}
	return string(b)
}

// Barriers runs axe in the page as it stands, with the rules of WCAG 2.2 A and AA and its best practices, and returns a line for each
// that is broken: the rule and the elements.
func (b *Browser) Barriers(axe string) []string {
	b.t.Helper()
	b.Eval("(() => {" + axe + "})()")
	found := b.Eval(`axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
		.then(r => r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 160).replace(/\s+/g, " ")).join(" ")).join("\n"))`)
	if found == "" {
		return nil
	}
	return strings.Split(found, "\n")
}
