package config

import (
	"cmp"
	"slices"
	"strings"
)

// nearest returns the name that was probably meant, "" where none is close.
func nearest(word string, names []string) string {
	word = strings.ToLower(strings.ReplaceAll(word, "-", "_"))
	if len(word) > 64 {
		return ""
	}
	limit := max(1, min(3, len(word)/3))
	best, bestAt := "", limit+1
	for _, name := range slices.SortedFunc(slices.Values(names), cmp.Compare[string]) {
		if d := distance(word, name); d < bestAt {
			best, bestAt = name, d
		}
	}
	return best
}

// distance counts insertions, deletions, replacements and swaps of neighbours between two words.
func distance(a, b string) int {
	before, prev := []int(nil), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
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
