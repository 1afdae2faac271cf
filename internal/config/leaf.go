package config

import (
	"reflect"
	"strings"
)

// leaf is one key that holds a value rather than further keys.
type leaf struct {
	// pattern is its path with [] for every index.
	pattern string
	typ     reflect.Type
	// def is its default as a tree.
	def      any
	reserved bool
}

// leaves lists every key that may stand in the file, the reserved ones too. A list whose items have keys is not a leaf
// itself; its items' keys are.
func leaves() []leaf {
	var out []leaf
	grow(&out, defaultOf(reflect.TypeFor[Config]()), "", false)
	known := map[string]bool{}
	for _, l := range out {
		known[l.pattern] = true
	}
	for _, k := range reservedKeys() {
		if k.only != nil && !known[k.pattern] {
			grow(&out, reflect.ValueOf(k.only), k.pattern, true)
		}
	}
	return out
}

func grow(out *[]leaf, v reflect.Value, pattern string, reserved bool) {
	t := v.Type()
	switch {
	case t.Kind() == reflect.Struct:
		for _, f := range fieldsOf(t) {
			grow(out, v.FieldByIndex(f.index), strings.TrimPrefix(pattern+"."+f.key, "."), reserved)
		}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		grow(out, defaultOf(t.Elem()), pattern+"[]", reserved)
	default:
		*out = append(*out, leaf{pattern: pattern, typ: t, def: toTree(v), reserved: reserved})
	}
}
