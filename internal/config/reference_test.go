package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"crmgate/internal/proxy"
)

const referenceFile = "../../config/crmgate.yaml"

// shownValue is a value of the reference file.
type shownValue struct {
	node    *yaml.Node
	line    int
	example bool
}

// TestReferenceNamesEveryKey holds the reference file and the structs together: a key that is missing there, that is gone
// here, or whose shown value is not the default makes it fail.
func TestReferenceNamesEveryKey(t *testing.T) {
	data, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	text := strings.Split(string(data), "\n")
	shown := map[string][]shownValue{}
	collect(doc.Content[0], "", text, shown)
	known := map[string]bool{}
	for _, l := range leaves() {
		known[l.pattern] = true
		values := shown[l.pattern]
		if len(values) == 0 && !emptyListAbove(l.pattern, shown) {
			t.Errorf("%s is not in the reference file (add it with its default, %s, and a comment)", l.pattern, show(l.def))
		}
		for _, v := range values {
			checkShown(t, l, v)
		}
	}
	for pattern, values := range shown {
		node := values[0].node
		if node.Kind == yaml.ScalarNode && !known[pattern] && pattern != "access.rules[].allow" {
			t.Errorf("line %d: %s is in the reference file and nowhere else", values[0].line, pattern)
		}
	}
}

// collect finds the value of every key, by pattern.
func collect(n *yaml.Node, pattern string, text []string, out map[string][]shownValue) {
	if pattern != "" {
		out[pattern] = append(out[pattern], shownValue{n, n.Line, strings.Contains(text[n.Line-1], "# Example")})
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			collect(n.Content[i+1], strings.TrimPrefix(pattern+"."+n.Content[i].Value, "."), text, out)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if item.Kind == yaml.MappingNode {
				collect(item, pattern+"[]", text, out)
			}
		}
	}
}

// emptyListAbove reports whether the file shows an empty list where the key's parent would be an item.
func emptyListAbove(pattern string, shown map[string][]shownValue) bool {
	i := strings.LastIndex(pattern, "[]")
	if i < 0 || !strings.HasPrefix(pattern, "factors.") {
		return false
	}
	values := shown[pattern[:i]]
	return len(values) > 0 && values[0].node.Kind == yaml.SequenceNode && len(values[0].node.Content) == 0
}

// checkShown compares one shown value with the default.
func checkShown(t *testing.T, l leaf, v shownValue) {
	t.Helper()
	if v.example || strings.Contains(v.node.Value, "${") || strings.HasPrefix(l.pattern, "upstreams[].identity.headers[]") {
		return
	}
	r := &Report{places: map[string]place{}}
	w := &walker{env: environment(nil), report: r, reserved: reservedSet{}, fields: map[reflect.Type][]field{}}
	got, ok := w.value(v.node, l.typ, path{l.pattern, l.pattern})
	switch {
	case !ok:
		t.Errorf("line %d: %s cannot be read: %q", v.line, l.pattern, lines(r))
	case !same(got, l.def):
		t.Errorf("line %d: %s is shown as %s, its default is %s (mark it \"# Example\" if it is none)", v.line, l.pattern, show(got), show(l.def))
	}
}

var placeholder = regexp.MustCompile(`\$\{([A-Z_]+)\}`)

// The reference shows the identity headers that an upstream without a list of its own sends.
func TestReferenceShowsTheDefaultHeaders(t *testing.T) {
	cfg, r := Load(referenceFile, func(string) (string, bool) { return "set", true })
	if cfg == nil {
		t.Fatal(lines(r))
	}
	if diff := cmp.Diff(proxy.DefaultHeaders(), cfg.Upstreams[0].Identity.Headers); diff != "" {
		t.Errorf("headers (-default +shown):\n%s", diff)
	}
}

// Once its placeholders are set, the reference file is a working one.
func TestReferenceLoads(t *testing.T) {
	data, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, m := range placeholder.FindAllStringSubmatch(string(data), -1) {
		env[m[1]] = "set"
	}
	if len(env) < 4 {
		t.Errorf("only %d placeholders found", len(env))
	}
	cfg, r := Load(referenceFile, environment(env))
	if cfg == nil || len(r.Findings) > 0 {
		t.Errorf("findings:\n%s", strings.Join(lines(r), "\n"))
	}
	if cfg, r := Load(referenceFile, environment(nil)); cfg != nil || r.Faults() != len(env)-1 {
		t.Errorf("without its placeholders the file has %d faults, want %d:\n%s", r.Faults(), len(env)-1, strings.Join(lines(r), "\n"))
	}
}

func TestReferenceFitsTheSchema(t *testing.T) {
	data, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := resolve(t).Validate(asJSON(t, data)); err != nil {
		t.Error(err)
	}
}
