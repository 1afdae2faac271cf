package config

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// reservedKey is a key of the surface that this version knows and does not fulfil.
type reservedKey struct {
	// pattern is the path with [] for every index, such as providers[].factor.
	pattern string
	// only is the accepted value; its type is the key's shape. Nil for a pattern below another one.
	only any
	// also are further values that mean the same to this version.
	also []any
	// about describes the key in the schema.
	about string
}

// reservedKeys is the table. A key leaves it when the package that fulfils it declares a field of that name.
func reservedKeys() []reservedKey {
	return []reservedKey{
		{pattern: "tracing", only: tracingConfig{}, about: "OpenTelemetry; reserved."},
	}
}

type tracingConfig struct {
	OTLPEndpoint string `json:"otlp_endpoint"`
}

// reservedSet is the table by pattern.
type reservedSet map[string]reservedKey

func newReservedSet() reservedSet {
	s := reservedSet{}
	for _, k := range reservedKeys() {
		s[k.pattern] = k
	}
	return s
}

// check compares what stands in the file with the only value accepted there.
func (s reservedSet) check(got, only any, at path, report *Report) {
	if m, ok := got.(map[string]any); ok {
		want, _ := only.(map[string]any)
		for key, v := range m {
			s.check(v, want[key], at.key(key), report)
		}
		return
	}
	if same(got, only) {
		return
	}
	k := s[at.pattern]
	if slices.ContainsFunc(k.also, func(v any) bool { return same(got, v) }) {
		return
	}
	report.put(Finding{Path: at.concrete, Message: "is not supported by this version with another value than " + show(only), Hint: "Leave it out."})
}

func same(a, b any) bool {
	x, ok := a.([]any)
	y, also := b.([]any)
	if ok && also && len(x) == 0 && len(y) == 0 {
		return true
	}
	return reflect.DeepEqual(a, b)
}

// show writes a default the way it would stand in the file.
func show(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return formatDuration(v)
	case string:
		if v == "" {
			return `""`
		}
	case []any:
		s := "["
		for i, item := range v {
			if i > 0 {
				s += ", "
			}
			s += show(item)
		}
		return s + "]"
	}
	return fmt.Sprint(v)
}
