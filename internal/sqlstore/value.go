package sqlstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// ms is a time as it is stored: unix milliseconds, 0 for the zero time.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at reverses ms, in UTC.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// list is a list as it is stored: a JSON array.
func list(values []string) string {
	if len(values) == 0 {
		return "[]"
	}
	b, err := json.Marshal(values)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

// unlist reverses list.
func unlist(stored string) ([]string, error) {
	values := []string{}
	if err := json.Unmarshal([]byte(stored), &values); err != nil {
		return nil, fmt.Errorf("read list: %w", err)
	}
	return values, nil
}

// storable reports whether both engines can keep s as it is.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// text is a description as it is stored: what cannot be kept is replaced.
func text(s string) string {
	if storable(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// clip is text of at most n bytes, for what a stranger can make as long as they like.
func clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") // the cut may have halved a character
	}
	return text(s)
}

// limit keeps the first of a list, and never none. It is written out because SQLite, which plans by it, reads a prepared statement anew each
// time that a limit is bound: that was a twentieth of a sign-in.
func limit(keep int) string { return fmt.Sprintf(" LIMIT %d", max(keep, 1)) }

// values returns "$1, $2, …" for n parameters.
func values(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	return b.String()
}
