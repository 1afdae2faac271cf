package policy

import "strings"

// pattern is a path pattern, split once into segments.
type pattern []segment

type segment struct {
	kind kind
	text string
}

type kind uint8

const (
	literal kind = iota
	part         // holds at least one "*"
	many         // "**"
)

func parsePattern(s string) pattern {
	var p pattern
	for _, text := range segments(nil, s) {
		switch {
		case text == "**":
			p = append(p, segment{many, text})
		case strings.Contains(text, "*"):
			p = append(p, segment{part, text})
		default:
			p = append(p, segment{literal, text})
		}
	}
	return p
}

// segments appends the segments of a path to buf. A slash at the end adds none.
func segments(buf []string, path string) []string {
	path = strings.TrimPrefix(path, "/")
	for path != "" {
		s, rest, _ := strings.Cut(path, "/")
		buf = append(buf, s)
		path = rest
	}
	return buf
}

// first returns the literal that every path of the pattern begins with, or false where there is none.
func (p pattern) first() (string, bool) {
	if len(p) == 0 || p[0].kind != literal {
		return "", false
	}
	return p[0].text, true
}

// match walks both lists at once. On a dead end only the nearest "**" before it need take one segment more: whatever an earlier
// one could still take, the nearer one can take as well. That bounds the work to len(p)*len(path).
func (p pattern) match(path []string) bool {
	i, j, star, resume := 0, 0, -1, 0
	for j < len(path) {
		switch {
		case i < len(p) && p[i].kind == many:
			star, resume = i, j
			i++
		case i < len(p) && p[i].matches(path[j]):
			i++
			j++
		case star >= 0:
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	for i < len(p) && p[i].kind == many {
		i++
	}
	return i == len(p)
}

func (s segment) matches(text string) bool {
	if s.kind == literal {
		return s.text == text
	}
	return text != "" && glob(s.text, text)
}

// glob matches one segment against a text in which "*" stands for any characters.
func glob(pat, text string) bool {
	i, j, star, resume := 0, 0, -1, 0
	for j < len(text) {
		switch {
		case i < len(pat) && pat[i] == '*':
			star, resume = i, j
			i++
		case i < len(pat) && pat[i] == text[j]:
			i++
			j++
		case star >= 0:
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pat[i:], "*") == ""
}

// covers reports whether every path of q is a path of p. It may say no where the answer is yes: it serves warnings only.
func (p pattern) covers(q pattern) bool {
	if n := len(p); n > 0 && p[n-1].kind == many {
		return len(q) >= n-1 && equal(p[:n-1], q[:n-1])
	}
	return equal(p, q)
}

func equal(p, q pattern) bool {
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] {
			return false
		}
	}
	return true
}
