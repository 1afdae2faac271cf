package web_test

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

// node is an element of a page.
type node struct {
	tag    string
	attr   map[string]string
	text   strings.Builder
	kids   []*node
	parent *node
}

// parse reads our own pages, which close what they open and quote their attributes.
func parse(t testing.TB, body string) *node {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	root := &node{tag: "#root", attr: map[string]string{}}
	at := root
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil {
			t.Fatalf("page cannot be read: %v\n%s", err, body)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			n := &node{tag: tok.Name.Local, attr: map[string]string{}, parent: at}
			for _, a := range tok.Attr {
				n.attr[a.Name.Local] = a.Value
			}
			at.kids = append(at.kids, n)
			at = n
		case xml.EndElement:
			at = at.parent
		case xml.CharData:
			for n := at; n != nil; n = n.parent {
				n.text.Write(tok)
			}
		}
	}
}

// words is the text of a node with its white space made single.
func (n *node) words() string { return strings.Join(strings.Fields(n.text.String()), " ") }

var step = regexp.MustCompile(`^([a-z0-9]*)((?:\[[^\]]*\])*)$`)

// all returns the descendants that match a selector: "form[method=post] input[name=identifier]". Several
// classes are written with dots: "a[class=button.primary]".
func (n *node) all(t testing.TB, selector string) []*node {
	t.Helper()
	found := []*node{n}
	for part := range strings.FieldsSeq(selector) {
		m := step.FindStringSubmatch(part)
		if m == nil {
			t.Fatalf("selector %q", selector)
		}
		var next []*node
		for _, f := range found {
			f.walk(func(k *node) {
				if k.matches(m[1], m[2]) {
					next = append(next, k)
				}
			})
		}
		found = next
	}
	return found
}

func (n *node) walk(visit func(*node)) {
	for _, k := range n.kids {
		visit(k)
		k.walk(visit)
	}
}

func (n *node) matches(tag, conditions string) bool {
	if tag != "" && n.tag != tag {
		return false
	}
	for _, c := range strings.FieldsFunc(conditions, func(r rune) bool { return r == '[' || r == ']' }) {
		name, want, valued := strings.Cut(c, "=")
		got, ok := n.attr[name]
		if name == "class" {
			got = strings.ReplaceAll(got, " ", ".")
		}
		if !ok || valued && got != want {
			return false
		}
	}
	return true
}

// one returns the only match.
func (n *node) one(t testing.TB, selector string) *node {
	t.Helper()
	found := n.all(t, selector)
	if len(found) != 1 {
		t.Fatalf("%d matches of %q in\n%s", len(found), selector, n.words())
	}
	return found[0]
}

// has reports whether anything matches.
func (n *node) has(t testing.TB, selector string) bool {
	t.Helper()
	return len(n.all(t, selector)) > 0
}
