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

// covers reports whether every path of q is a path of p. It may say no where the answer is yes: it serves warnings only. It is a match of
// p against q with q's segments in place of a path's: "**" in p takes whatever q has, anything else only what it certainly matches.
func (p pattern) covers(q pattern) bool {
	covered := make([][]bool, len(p)+1) // covered[i][j]: p[i:] covers q[j:]
	for i := len(p); i >= 0; i-- {
		covered[i] = make([]bool, len(q)+1)
		for j := len(q); j >= 0; j-- {
			switch {
			case i == len(p):
				covered[i][j] = j == len(q)
			case p[i].kind == many:
				covered[i][j] = covered[i+1][j] || j < len(q) && covered[i][j+1]
			default:
				covered[i][j] = j < len(q) && p[i].covers(q[j]) && covered[i+1][j+1]
			}
		}
	}
	return covered[0][0]
}

func (s segment) covers(t segment) bool {
	switch t.kind {
	case literal:
		return s.matches(t.text)
	case part:
		return s == t || s.text == "*"
	}
	return false
}
