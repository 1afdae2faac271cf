package account

import (
	_ "embed" // for the list
	"slices"
	"strings"
	"unicode"
)

// commonList is the built-in list of common passwords: letters in lower case and digits, nothing else, each on a line of its own.
//
//go:embed commonpasswords.txt
var commonList string

// keyboards are the rows that fingers run along, and the orders that everybody knows. A password that is made of runs in them is
// as common as one from the list.
const keyboards = "`1234567890-= qwertyuiop[] asdfghjkl;' zxcvbnm,./ qwertzuiopü asdfghjklöä yxcvbnm,.- azertyuiop qsdfghjklm wxcvbn " +
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol. qazwsxedcrfvtgbyhnujmik,ol.p !@#$%^&*()_+ 147258369 01234567890 " +
	"abcdefghijklmnopqrstuvwxyz йцукенгшщзхъ фывапролджэ ячсмитьбю"

// minRun is the shortest run along a keyboard row that counts as one.
const minRun = 3

// common reports whether a password is on the built-in list, a usual variation of an entry, or a walk over the keyboard.
func common(p string) bool {
	return slices.ContainsFunc(forms(p), listed) || fewWords(p) || walks(p)
}

func listed(form string) bool { return strings.Contains(commonList, "\n"+form+"\n") }

// fewWords reports whether p is one or two words of the list, however often, with digits and signs between: a season and a year,
// twice, is still a season and a year.
func fewWords(p string) bool {
	words := strings.FieldsFunc(strings.ToLower(p), func(r rune) bool { return !unicode.IsLetter(r) })
	slices.Sort(words)
	words = slices.Compact(words)
	return len(words) > 0 && len(words) <= 2 && !slices.ContainsFunc(words, func(w string) bool { return !listed(w) })
}

// forms are what a password may be a variation of: with digits and signs before and after removed, with look-alikes read as
// letters, and a unit instead of its repetitions.
func forms(p string) []string {
	lower := strings.ToLower(p)
	core := strings.TrimFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) })
	all := append([]string{lower, core}, readings(lower)...)
	all = append(all, readings(core)...)
	// What ends in signs that could be letters is read with and without them.
	all = append(all, readings(strings.TrimRightFunc(lower, unicode.IsDigit))...)
	all = append(all, readings(strings.TrimRightFunc(lower, notLetterOrLeet))...)
	var out []string
	for _, f := range all {
		f = alnum(f)
		if unit, ok := repeated(f); ok {
			f = unit
		}
		if f != "" && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// readings returns s in lower case with look-alikes read as letters, once with 1 for i and once with 1 for l.
func readings(s string) []string {
	i := strings.NewReplacer("0", "o", "1", "i", "!", "i", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "+", "t", "8", "b", "9", "g", "(", "c")
	l := strings.NewReplacer("0", "o", "1", "l", "|", "l", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "+", "t", "8", "b", "6", "g", "(", "c")
	s = strings.ToLower(s)
	return []string{i.Replace(s), l.Replace(s)}
}

func notLetterOrLeet(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune("@$!", r) }

// alnum returns the letters and digits of s: "let me in" is "letmein".
func alnum(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// letters returns s without signs and without the digits around its words: years and counters say little.
func letters(s string) string {
	var b strings.Builder
	for w := range strings.FieldsSeq(s) {
		b.WriteString(alnum(strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) })))
	}
	return b.String()
}

// walks reports whether p is nearly all runs along keyboard rows or of one character, forwards or backwards, and few of them.
func walks(p string) bool {
	runes := []rune(strings.ToLower(p))
	runs, outside := 0, 0
	for i := 0; i < len(runes); {
		n := run(runes[i:])
		if n < minRun {
			outside++
			i++
			continue
		}
		runs++
		i += n
	}
	return runs > 0 && outside <= len(runes)/5 && runs <= 1+len(runes)/4
}

// run returns the length of the longest run that runes begin with.
func run(runes []rune) int {
	best := 1
	for best < len(runes) && runes[best] == runes[0] {
		best++
	}
	for _, row := range strings.Fields(keyboards) {
		keys := []rune(row)
		for i, k := range keys {
			if k != runes[0] {
				continue
			}
			for _, step := range []int{1, -1} {
				n := 0
				for j := i; n < len(runes) && j >= 0 && j < len(keys) && keys[j] == runes[n]; j += step {
					n++
				}
				best = max(best, n)
			}
		}
	}
	return best
}
