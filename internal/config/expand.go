package config

import (
	"regexp"
	"strings"
)

// envName is what may stand between ${ and }.
var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces every ${NAME} in text by the variable's value and every $${ by ${. What comes out is never expanded again.
// Unset holds the names without a value; malformed is true where a ${ does not begin a variable.
func expand(text string, env func(string) (string, bool)) (out string, expanded bool, unset []string, malformed bool) {
	if !strings.Contains(text, "${") {
		return text, false, nil, false
	}
	var b strings.Builder
	for text != "" {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			break
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		name, rest, ok := strings.Cut(text[i+2:], "}")
		if !ok || !envName.MatchString(name) {
			return "", false, unset, true
		}
		value, set := env(name)
		if !set {
			unset = append(unset, name)
		}
		b.WriteString(value)
		text, expanded = rest, true
	}
	return b.String(), expanded, unset, false
}
