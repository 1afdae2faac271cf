package archtest

import (
	"fmt"
	"go/ast"
	"testing"
)

// The sizes past which a noun is missing.
const (
	mostLines   = 100 // of a function
	mostMethods = 8   // of an interface, embedded ones counting as one
	mostFields  = 20  // of a struct, embedded ones counting as one
)

// tooLarge are the types that may be larger, how large, and why.
var tooLarge = map[string]struct {
	most   int
	reason string
}{
	"internal/session.Session":   {32, "one row of a table: what the session's owner, the provider and the gateway's checks left in it is read and written together"},
	"internal/session.Store":     {10, "every store of sessions has to do all of it, and the conformance suite asks for all of it"},
	"internal/redisstore.record": {32, "session.Session as Redis keeps it, field by field"},
	"internal/account.Service":   {23, "the rules of local accounts and their collaborators; each of its callers sees it through a small interface of its own"},
}

func TestFunctionsAndTypesAreSmall(t *testing.T) {
	met := map[string]bool{}
	judge := func(name string, what string, size, most int) {
		if size <= most {
			return
		}
		met[name] = true
		if except, ok := tooLarge[name]; !ok || size > except.most {
			t.Errorf("%s has %d %s, more than %d: look for the noun that is missing", name, size, what, max(most, except.most))
		}
	}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				judge(fmt.Sprintf("%s.%s in %s", s.pkg, n.Name.Name, s.name), "lines", s.span(n), mostLines)
			case *ast.TypeSpec:
				name := s.pkg + "." + n.Name.Name
				switch typ := n.Type.(type) {
				case *ast.StructType:
					judge(name, "fields", members(typ.Fields), mostFields)
				case *ast.InterfaceType:
					judge(name, "methods", members(typ.Methods), mostMethods)
				}
			}
			return true
		})
	}
	for name, except := range tooLarge {
		if !met[name] {
			t.Errorf("%s is not larger than others: take it off the list of those that may be", name)
		}
		if except.reason == "" {
			t.Errorf("%s may be large for no reason", name)
		}
	}
}

// members counts names; what is embedded has none and counts as one.
func members(list *ast.FieldList) int {
	n := 0
	for _, f := range list.List {
		n += max(1, len(f.Names))
	}
	return n
}

func TestMembersAreCounted(t *testing.T) {
	field := func(names ...string) *ast.Field {
		f := &ast.Field{}
		for _, n := range names {
			f.Names = append(f.Names, ast.NewIdent(n))
		}
		return f
	}
	if n := members(&ast.FieldList{List: []*ast.Field{field("A", "B"), field(), field("C")}}); n != 4 {
		t.Errorf("counted %d, want 4", n)
	}
}
