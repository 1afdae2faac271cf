package provider

import (
	"regexp"
	"slices"
	"strings"

	"crmgate/internal/identity"
)

const (
	// maxPasted is how much of a pasted message is looked at, in bytes.
	maxPasted = 4 << 10
	// maxTyped is the length in bytes below which a text is a code that somebody typed.
	maxTyped = 40
)

// match is a code that was found; refusal is nil where the table does not have it.
type match struct {
	code    string // a number or a word of the table
	refusal *refusal
}

// number reports whether a known code of a maker was found, not only a word of the standard.
func (m match) number() bool {
	return m.refusal != nil && m.code != "" && m.code[0] >= '0' && m.code[0] <= '9'
}

// shown is the code as its maker writes it.
func (m match) shown(f family) string {
	if m.code != "" && m.code[0] >= '0' && m.code[0] <= '9' {
		return f.prefix + m.code
	}
	return m.code
}

// lookUp finds the entry of a code.
func (f family) lookUp(code string) *refusal {
	for i, r := range f.refusals {
		if slices.Contains(r.codes, code) {
			return &f.refusals[i]
		}
	}
	return nil
}

// findRefusal finds what is known about an error response. A maker's own code says more than the standard's error, which says more than
// nothing; text that a maker's code is looked for in never becomes part of the answer.
func findRefusal(kind, code, description string) (family, match) {
	var standard family
	for _, f := range families() {
		if len(f.kinds) == 0 {
			standard = f
		}
		if !slices.Contains(f.kinds, kind) {
			continue
		}
		if r := f.lookUp(code); r != nil {
			return f, match{code, r}
		}
		if f.strict != nil {
			if found := f.strict.FindStringSubmatch(clipBytes(description)); found != nil {
				if r := f.lookUp(found[1]); r != nil {
					return f, match{found[1], r}
				}
			}
		}
		if word := f.phrase(description); word != "" {
			return f, match{word, f.lookUp(word)}
		}
	}
	return standard, match{code, standard.lookUp(code)}
}

// phrase returns the code of a sentence that a maker sends instead of one.
func (f family) phrase(text string) string {
	text = strings.ToLower(clipBytes(text))
	for sentence, word := range f.phrases {
		if strings.Contains(text, sentence) {
			return word
		}
	}
	return ""
}

// plainError is an error code as the standards write them; whatever looks otherwise is not shown.
var plainError = regexp.MustCompile(`^[a-z][a-z0-9_]{2,39}$`)

// unknownCode is what an error page shows of a code that the table does not have: a number of the provider's maker, else the error's
// own word, else nothing.
func unknownCode(kind, code, description string) string {
	for _, f := range families() {
		if f.strict == nil || !slices.Contains(f.kinds, kind) {
			continue
		}
		if found := f.strict.FindStringSubmatch(clipBytes(description)); found != nil {
			return f.prefix + found[1]
		}
	}
	if plainError.MatchString(code) {
		return code
	}
	return ""
}

func clipBytes(s string) string { return s[:min(len(s), maxPasted)] }

// Explain looks for a code in what a person typed or pasted from a provider's page: with or without its prefix, in any case, with
// spaces in it, or with the whole message around it. ok is false where there is nothing that looks like one.
func Explain(text string) (a identity.Advice, ok bool) {
	text = strings.ToValidUTF8(clipBytes(text), " ")
	all := families()
	for _, f := range all {
		if f.loose == nil {
			continue
		}
		found := f.loose.FindStringSubmatch(text)
		if found == nil && len(text) < maxTyped { // somebody who typed spaces into the number
			found = f.loose.FindStringSubmatch(strings.Join(strings.Fields(text), ""))
		}
		if found != nil {
			return f.advice(match{found[1], f.lookUp(found[1])}), true
		}
	}
	for _, f := range all {
		if word := f.phrase(text); word != "" {
			return f.advice(match{word, f.lookUp(word)}), true
		}
	}
	words := "_" + strings.Join(notWord.Split(strings.ToLower(text), -1), "_") + "_"
	for _, f := range all {
		for i := range f.refusals {
			for _, code := range f.refusals[i].codes {
				if code[0] > '9' && strings.Contains(words, "_"+code+"_") {
					return f.advice(match{code, &f.refusals[i]}), true
				}
			}
		}
	}
	// Digits alone: Microsoft's own pages ask for "the error code" and show only them.
	for _, number := range digits.FindAllString(text, 20) {
		for _, f := range all {
			if r := f.lookUp(number); r != nil && f.prefix != "" {
				return f.advice(match{number, r}), true
			}
		}
	}
	return identity.Advice{}, false
}

var (
	notWord = regexp.MustCompile(`[^a-z0-9]+`)
	digits  = regexp.MustCompile(`[0-9]{4,}`)
)

// advice puts a match into words; one that the table does not have keeps maker and code.
func (f family) advice(m match) identity.Advice {
	a := identity.Advice{Code: m.shown(f), Kinds: f.kinds, Vendor: f.vendor}
	if f.more != "" {
		a.MoreURL = f.more + m.code
	}
	if m.refusal != nil {
		a.Title, a.Text, a.Step, a.ForIT = m.refusal.title, m.refusal.text, m.refusal.step, m.refusal.forIT
	}
	return a
}
