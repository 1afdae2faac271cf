package config

import (
	"maps"
	"reflect"
	"strings"
)

// field is one key of a struct.
type field struct {
	key   string
	index []int
	typ   reflect.Type
}

// fieldsOf lists the keys of a struct in their order, those of structs embedded in it at their place.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for _, f := range reflect.VisibleFields(t) {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || key == "" || key == "-" {
			continue
		}
		out = append(out, field{key: key, index: f.Index, typ: f.Type})
	}
	return out
}

// defaultOf returns the value that a type starts from: what its Default method returns, with the defaults of those structs
// inside that it left empty.
func defaultOf(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	if m := v.MethodByName("Default"); m.IsValid() && m.Type().NumIn() == 0 && m.Type().NumOut() == 1 && m.Type().Out(0) == t {
		v.Set(m.Call(nil)[0])
	}
	if t.Kind() != reflect.Struct {
		return v
	}
	for _, f := range fieldsOf(t) {
		if inner := v.FieldByIndex(f.index); f.typ.Kind() == reflect.Struct && inner.IsZero() {
			inner.Set(defaultOf(f.typ))
		}
	}
	return v
}

// toTree turns a value into what the walk would have made of it: mappings, lists, and typed scalars.
func toTree(v reflect.Value) any {
	t := v.Type()
	switch {
	case t.Kind() == reflect.Struct && !(takesText(t) && !v.IsZero()):
		m := map[string]any{}
		for _, f := range fieldsOf(t) {
			m[f.key] = toTree(v.FieldByIndex(f.index))
		}
		return m
	case t.Kind() == reflect.Slice && !isScalar(t):
		list := make([]any, 0, v.Len())
		for i := range v.Len() {
			list = append(list, toTree(v.Index(i)))
		}
		return list
	}
	return v.Interface()
}

// over returns base with the values of top on it, mapping by mapping. Lists and scalars of top replace those of base.
func over(base, top any) any {
	b, ok := base.(map[string]any)
	t, also := top.(map[string]any)
	if !ok || !also {
		return top
	}
	out := maps.Clone(b)
	for k, v := range t {
		if was, ok := out[k]; ok {
			v = over(was, v)
		}
		out[k] = v
	}
	return out
}
