package policy

import (
	"fmt"
	"slices"
	"strings"

	"crmgate/internal/fault"
)

// Scope is a compiled list of paths and methods, such as a token may be used for. The zero value covers nothing.
type Scope struct {
	patterns []pattern
	methods  []string
}

// NewScope compiles path patterns, as rules have them, and methods in capitals; no methods is every method, no paths are a fault.
func NewScope(paths, methods []string) (Scope, fault.Problems) {
	var ps fault.Problems
	s := Scope{methods: methods}
	if len(paths) == 0 {
		ps.Add("paths", "Write patterns such as /api/**, or /** for every path.", "no path is named")
	}
	for i, p := range paths {
		if msg, hint := patternFault(p); msg != "" {
			ps.Add(fmt.Sprintf("paths[%d]", i), hint, "%q %s", p, msg)
		}
		s.patterns = append(s.patterns, parsePattern(p))
	}
	for i, m := range methods {
		if msg, hint := methodFault(m); msg != "" {
			ps.Add(fmt.Sprintf("methods[%d]", i), hint, "%s", msg)
		}
	}
	if len(ps) > 0 {
		return Scope{}, ps
	}
	return s, nil
}

// Covers reports whether a method on a canonical path lies within the scope. HEAD is covered where GET is: it shows less.
func (s Scope) Covers(method, path string) bool {
	method = upper(method)
	if len(s.methods) > 0 && !slices.Contains(s.methods, method) && !(method == "HEAD" && slices.Contains(s.methods, "GET")) {
		return false
	}
	var buf [16]string
	segs := segments(buf[:0], path)
	return slices.ContainsFunc(s.patterns, func(p pattern) bool { return p.match(segs) })
}

func methodFault(m string) (msg, hint string) {
	switch {
	case strings.TrimSpace(m) == "" || strings.ContainsAny(m, " ,/"):
		return fmt.Sprintf("%q is not a method", m), "Write one method for each entry, such as GET."
	case m != strings.ToUpper(m):
		return fmt.Sprintf("methods are written in capitals, not %q", m), "Write " + strings.ToUpper(m) + "."
	case slices.Contains([]string{"CONNECT", "TRACE", "TRACK"}, m):
		return m + " is refused before any rule", "Remove it."
	}
	return "", ""
}
