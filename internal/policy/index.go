package policy

import "strings"

// index finds the first rule for a path without looking at every rule: a tree of the literal segments that patterns begin with. Each
// node holds the patterns whose literal beginning ends there. The tree only narrows down what is tried; of all rules that match, the one
// with the lowest number wins, so the order of the rules decides as if they were read from the top.
type index struct {
	children map[string]*index
	// exact are the rules of patterns that end here, below those that go on with "**" alone. Rules are in rising order everywhere.
	exact, below []int
	// byLast are other patterns, by their last segment where that is literal; loose are those where it is not.
	byLast map[string][]entry
	loose  []entry
}

// entry is the rest of a pattern, from the first segment on that is not literal.
type entry struct {
	rule    int
	pattern pattern
}

func (x *index) add(rule int, p pattern) {
	n := x
	for len(p) > 0 && p[0].kind == literal {
		next := n.children[p[0].text]
		if next == nil {
			next = &index{}
			if n.children == nil {
				n.children = map[string]*index{}
			}
			n.children[p[0].text] = next
		}
		n, p = next, p[1:]
	}
	switch {
	case len(p) == 0:
		n.exact = append(n.exact, rule)
	case len(p) == 1 && p[0].kind == many:
		n.below = append(n.below, rule)
	case p[len(p)-1].kind == literal:
		if n.byLast == nil {
			n.byLast = map[string][]entry{}
		}
		last := p[len(p)-1].text
		n.byLast[last] = append(n.byLast[last], entry{rule, p})
	default:
		n.loose = append(n.loose, entry{rule, p})
	}
}

// find returns the lowest number of a rule that takes the request, len(rules) where none does.
func (x *index) find(rules []rule, req Request) int {
	best, rest := len(rules), strings.TrimPrefix(req.Path, "/")
	for n := x; ; {
		best = first(rules, n.below, req, best)
		if rest == "" {
			best = first(rules, n.exact, req, best)
		}
		if n.byLast != nil || n.loose != nil {
			best = n.search(rules, rest, req, best)
		}
		if rest == "" || n.children == nil {
			return best
		}
		var segment string
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			segment, rest = rest[:i], rest[i+1:]
		} else {
			segment, rest = rest, ""
		}
		if n = n.children[segment]; n == nil {
			return best
		}
	}
}

func first(rules []rule, list []int, req Request, best int) int {
	for _, i := range list {
		if i >= best {
			break
		}
		if rules[i].takes(req) {
			return i
		}
	}
	return best
}

// search tries the patterns that have to be walked. The path is parted only where there are some.
func (x *index) search(rules []rule, rest string, req Request, best int) int {
	byLast := x.byLast[last(rest)]
	if len(byLast) == 0 && len(x.loose) == 0 {
		return best
	}
	var buf [16]string
	path := segments(buf[:0], rest)
	return walk(rules, x.loose, path, req, walk(rules, byLast, path, req, best))
}

// last returns the last segment of a path without a slash at its start.
func last(path string) string {
	path = strings.TrimSuffix(path, "/")
	return path[strings.LastIndexByte(path, '/')+1:]
}

func walk(rules []rule, list []entry, path []string, req Request, best int) int {
	for i := range list {
		e := &list[i]
		if e.rule >= best {
			break
		}
		if rules[e.rule].takes(req) && e.pattern.match(path) {
			return e.rule
		}
	}
	return best
}
