package policy

import "strings"

// index finds the first rule for a path without looking at every rule: a tree of the literal segments that patterns begin with. Each
// node holds the patterns whose literal beginning ends there. The tree only narrows down what is tried; of all rules that match, the one
// with the lowest number wins, so the order of the rules decides as if they were read from the top.
type index struct {
	children table[*index]
	// exact are the rules of patterns that end here, below those that go on with "**" alone. Rules are in rising order everywhere.
	exact, below []int
	// byLast are other patterns, by their last segment where that is literal; loose are those where it is not.
	byLast table[[]entry]
	loose  []entry
}

// table finds a value by a segment. Many nodes have one, and to compare is much cheaper than to hash.
type table[T any] struct {
	// first and one are the first that was put; more are the others, nil for none, and lengths has a bit for each length among them.
	first   string
	one     T
	more    map[string]T
	lengths uint64
	some    bool
}

func (t *table[T]) get(segment string) (value T) {
	if segment == t.first { // an empty table has the zero value there
		return t.one
	}
	if t.lengths>>min(len(segment), 63)&1 == 0 {
		return value
	}
	return t.more[segment]
}

func (t *table[T]) put(segment string, value T) {
	if !t.some || segment == t.first {
		t.first, t.one, t.some = segment, value, true
		return
	}
	if t.more == nil {
		t.more = map[string]T{}
	}
	t.more[segment] = value
	t.lengths |= 1 << min(len(segment), 63)
}

// entry is the rest of a pattern, from the first segment on that is not literal.
type entry struct {
	rule    int
	pattern pattern
}

func (x *index) add(rule int, p pattern) {
	n := x
	for len(p) > 0 && p[0].kind == literal {
		next := n.children.get(p[0].text)
		if next == nil {
			next = &index{}
			n.children.put(p[0].text, next)
		}
		n, p = next, p[1:]
	}
	switch {
	case len(p) == 0:
		n.exact = append(n.exact, rule)
	case len(p) == 1 && p[0].kind == many:
		n.below = append(n.below, rule)
	case p[len(p)-1].kind == literal:
		last := p[len(p)-1].text
		n.byLast.put(last, append(n.byLast.get(last), entry{rule, p}))
	default:
		n.loose = append(n.loose, entry{rule, p})
	}
}

// find returns the lowest number of a rule that takes the request, len(rules) where none does.
func (x *index) find(rules []rule, req *Request) int {
	best, rest := len(rules), strings.TrimPrefix(req.Path, "/")
	for n := x; ; {
		best = first(rules, n.below, req, best)
		if rest == "" {
			best = first(rules, n.exact, req, best)
		}
		if n.byLast.some || n.loose != nil {
			best = n.search(rules, rest, req, best)
		}
		if rest == "" || !n.children.some {
			return best
		}
		var segment string
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			segment, rest = rest[:i], rest[i+1:]
		} else {
			segment, rest = rest, ""
		}
		if n = n.children.get(segment); n == nil {
			return best
		}
	}
}

func first(rules []rule, list []int, req *Request, best int) int {
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
func (x *index) search(rules []rule, rest string, req *Request, best int) int {
	byLast := x.byLast.get(last(rest))
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

func walk(rules []rule, list []entry, path []string, req *Request, best int) int {
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
