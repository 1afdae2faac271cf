package config

import (
	"slices"
	"strings"

	"crmgate/internal/fault"
)

// nearest returns the key that was probably meant, "" where none is close.
func nearest(key string, names []string) string {
	const longest = 64 // the comparison takes time that grows with the length, and keys come from the file
	if len(key) > longest {
		return ""
	}
	slices.Sort(names)
	return fault.Nearest(strings.ToLower(strings.ReplaceAll(key, "-", "_")), names...)
}

// quoted writes a word from the file into a message: short, without the password of an address and without anything that
// could move a terminal's cursor.
func quoted(s string) string {
	const most = 40
	r := []rune(strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '"' {
			return '?'
		}
		return c
	}, userinfo.ReplaceAllString(s, "${1}***@")))
	if len(r) > most {
		r = append(r[:most], '…')
	}
	return `"` + string(r) + `"`
}
