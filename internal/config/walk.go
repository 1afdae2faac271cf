package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds the walk: aliases can make a small file as large as they like.
const maxNodes = 100_000

// itemWeight is what an item with keys counts for on top of what it holds.
const itemWeight = 20

// path is a place in the file, once as it is and once with [] for every index.
type path struct{ concrete, pattern string }

func (p path) key(k string) path {
	if p.concrete == "" {
		return path{k, k}
	}
	return path{p.concrete + "." + k, p.pattern + "." + k}
}

func (p path) item(i int) path {
	return path{fmt.Sprintf("%s[%d]", p.concrete, i), p.pattern + "[]"}
}

// walker turns YAML nodes into a tree of mappings, lists and typed scalars, guided by the Go types, and notes every fault.
type walker struct {
	files    files
	env      func(string) (string, bool)
	report   *Report
	reserved reservedSet
	// fields caches the keys of each struct type.
	fields map[reflect.Type][]field
	nodes  int
	// full is true once too many nodes were met.
	full bool
	// names are all known paths, for guesses.
	names []string
}

// fault notes a fault at a node.
func (w *walker) fault(n *yaml.Node, at path, hint, format string, args ...any) {
	w.report.put(Finding{Line: n.Line, Column: n.Column, Path: at.concrete, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// value walks one node; false means that there is no value, because it is null or faulty.
func (w *walker) value(n *yaml.Node, t reflect.Type, at path) (any, bool) {
	if w.nodes++; w.nodes > maxNodes {
		if !w.full {
			w.full = true
			w.fault(n, at, "Use fewer aliases.", "the file has too many values")
		}
		return nil, false
	}
	node := n
	if n.Kind == yaml.AliasNode {
		node = n.Alias
	}
	if node.Style&yaml.TaggedStyle != 0 {
		w.fault(n, at, "Put a value that begins with ! into quotes.", "has a YAML tag, which is not supported")
		return nil, false
	}
	if isNull(node) {
		return nil, false
	}
	switch {
	case isScalar(t):
		return w.scalar(node, t, at)
	case t.Kind() == reflect.Slice:
		return w.list(node, t, at)
	case t.Kind() == reflect.Struct && takesText(t) && node.Kind == yaml.ScalarNode:
		return w.scalar(node, t, at)
	case t.Kind() == reflect.Struct:
		return w.mapping(node, t, at)
	}
	w.fault(n, at, "", "has a type that cannot be configured (%s)", t)
	return nil, false
}

// isNull reports whether a node says "not set". A quoted word never does.
func isNull(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode || n.Style != 0 {
		return false
	}
	return n.Value == "" || n.Value == "~" || n.Value == "null"
}

// scalar reads one word.
func (w *walker) scalar(n *yaml.Node, t reflect.Type, at path) (any, bool) {
	if n.Kind != yaml.ScalarNode {
		w.fault(n, at, "", "must be a single value, not %s", kindOf(n))
		return nil, false
	}
	secret := t == secretType
	text, expanded, unset, malformed := expand(n.Value, w.env)
	whole := strings.HasPrefix(n.Value, "${") && strings.Count(n.Value, "}") == 1 && strings.HasSuffix(n.Value, "}")
	for _, name := range unset {
		// What looks like a variable inside a secret may be a piece of the secret.
		if secret && !whole {
			w.fault(n, at, "Set it, or write $${ for a plain ${.", "names an environment variable that is not set")
			continue
		}
		w.fault(n, at, "Set it where the gateway is started, or write $${ for a plain ${.", "the environment variable %s is not set", name)
	}
	if malformed {
		w.fault(n, at, "Write ${NAME} for an environment variable and $${ for a plain ${.", "has a ${ that does not begin a variable")
	}
	if malformed || len(unset) > 0 {
		return nil, false
	}
	v, err := parseScalar(t, text)
	if err != nil {
		var bad badValue
		errors.As(err, &bad)
		w.fault(n, at, bad.hint, "%s%s", shown(n.Value, text, expanded, secret), bad.message)
		return nil, false
	}
	if secret {
		w.report.secrets = append(w.report.secrets, text)
	}
	return v, true
}

// shown is the faulty value as it may begin a message: as it stands in the file, never what a variable held.
func shown(raw, text string, expanded, secret bool) string {
	switch {
	case secret:
		return ""
	case text == "":
		return "an empty value "
	case expanded:
		return "the value of " + quoted(raw) + " "
	}
	return quoted(raw) + " "
}

// list reads a sequence. A faulty item keeps its place, so that later faults name the right index.
func (w *walker) list(n *yaml.Node, t reflect.Type, at path) (any, bool) {
	if n.Kind != yaml.SequenceNode {
		w.fault(n, at, "Put it into brackets: [ ... ].", "must be a list, not %s", kindOf(n))
		return nil, false
	}
	out := make([]any, 0, min(len(n.Content), 1000))
	start := toTree(defaultOf(t.Elem()))
	if t.Elem().Kind() == reflect.Struct {
		w.nodes += len(n.Content) * itemWeight // each is filled up with its defaults
	}
	for i, item := range n.Content {
		where := at.item(i)
		w.report.places[where.concrete] = place{item.Line, item.Column}
		if isNull(item) {
			w.fault(item, where, "Remove the item.", "is empty")
		}
		v, ok := w.value(item, t.Elem(), where)
		if w.nodes > maxNodes {
			return nil, false
		}
		if !ok {
			v = start
		}
		out = append(out, over(start, v))
	}
	return out, true
}

// mapping reads a mapping into the keys of a struct.
func (w *walker) mapping(n *yaml.Node, t reflect.Type, at path) (any, bool) {
	if n.Kind != yaml.MappingNode {
		w.fault(n, at, "", "must be a mapping with keys, not %s", kindOf(n))
		return nil, false
	}
	out := map[string]any{}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, node := n.Content[i], n.Content[i+1]
		if w.nodes > maxNodes {
			return nil, false
		}
		if key.Kind != yaml.ScalarNode || key.Style&yaml.TaggedStyle != 0 {
			w.fault(key, at, "", "has a key that is not a plain word")
			continue
		}
		if line, twice := seen[key.Value]; twice {
			w.fault(key, at.key(quietKey(key.Value)), "Keep one of the two.", "is set twice, first in line %d", line)
			continue
		}
		seen[key.Value] = key.Line
		where := at.key(key.Value)
		typ, ok := w.typeOf(t, key.Value, where)
		if !ok {
			w.unknown(key, t, at)
			continue
		}
		w.report.places[where.concrete] = place{key.Line, key.Column}
		if node.Kind == yaml.ScalarNode && !isNull(node) {
			w.report.places[where.concrete] = place{node.Line, node.Column}
		}
		if v, ok := w.value(node, typ, where); ok {
			out[key.Value] = v
		}
	}
	w.twins(t, out, at)
	w.takeReserved(t, out, at)
	return out, true
}

// typeOf returns the type of a key: that of the struct's field, or that of a reserved key.
func (w *walker) typeOf(t reflect.Type, key string, at path) (reflect.Type, bool) {
	for _, f := range w.fieldsOf(t) {
		if f.key == key {
			return f.typ, true
		}
	}
	if k, ok := w.reserved[at.pattern]; ok && k.only != nil {
		return reflect.TypeOf(k.only), true
	}
	return nil, false
}

func (w *walker) fieldsOf(t reflect.Type) []field {
	fs, ok := w.fields[t]
	if !ok {
		fs = fieldsOf(t)
		w.fields[t] = fs
	}
	return fs
}

// takeReserved checks the reserved keys of a mapping and removes those that no struct has a field for.
func (w *walker) takeReserved(t reflect.Type, out map[string]any, at path) {
	for key, v := range out {
		where := at.key(key)
		k, ok := w.reserved[where.pattern]
		if !ok || k.only == nil {
			continue
		}
		w.reserved.check(v, toTree(reflect.ValueOf(k.only)), where, w.report)
		hasField := false
		for _, f := range w.fieldsOf(t) {
			hasField = hasField || f.key == key
		}
		if !hasField {
			delete(out, key)
		}
	}
}

// unknown refuses a key and guesses what was meant: a sibling with a similar name, or the same name in another section.
func (w *walker) unknown(key *yaml.Node, t reflect.Type, at path) {
	where := path{concrete: at.key(quietKey(key.Value)).concrete}
	if key.Value == "<<" {
		w.fault(key, at, "Repeat the keys, or use an alias for a whole value.", "has a merge key (<<), which is not supported")
		return
	}
	var names []string
	for _, f := range w.fieldsOf(t) {
		names = append(names, f.key)
	}
	prefix := at.key("").pattern
	for pattern, k := range w.reserved {
		if name, ok := strings.CutPrefix(pattern, prefix); ok && k.only != nil && !strings.ContainsAny(name, ".[") {
			names = append(names, name)
		}
	}
	hint := ""
	if name := nearest(key.Value, names); name != "" {
		hint = fmt.Sprintf("Did you mean %q?", name)
	} else if elsewhere := w.elsewhere(key.Value); elsewhere != "" {
		hint = "It belongs to " + elsewhere + "."
	}
	w.fault(key, where, hint, "unknown key")
}

// quietKey is a key of the file as it may stand in a path.
func quietKey(s string) string { return strings.Trim(quoted(s), `"`) }

// elsewhere returns the only path whose last key is the given one, "" where there is none or several.
func (w *walker) elsewhere(key string) string {
	if w.names == nil {
		for _, leaf := range leaves() {
			w.names = append(w.names, leaf.pattern)
		}
	}
	found := ""
	for _, name := range w.names {
		if name == key || strings.HasSuffix(name, "."+key) {
			if found != "" {
				return ""
			}
			found = name
		}
	}
	return found
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}
