package account

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// The promise of this file: no account that a provider owns ever holds a local password. PasswordStore and TokenStore take a
// Local and nothing else; a Local comes from Account.Local and from nowhere else.

func TestOnlyLocalAccountsAreLocal(t *testing.T) {
	for name, a := range map[string]*Account{
		"nobody": nil, "nothing": {}, "no id": {Owner: OwnerLocal}, "provider": {ID: "x", Owner: "contoso"}, "no owner": {ID: "x"},
		"capitals": {ID: "x", Owner: "Local"}, "space": {ID: "x", Owner: "local "},
	} {
		if l, ok := a.Local(); ok || l.AccountID() != "" {
			t.Errorf("%s: %+v may hold a password", name, l)
		}
	}
	l, ok := (&Account{ID: "x", Owner: OwnerLocal}).Local()
	if !ok || l.AccountID() != "x" {
		t.Errorf("a local account may not hold a password: %+v", l)
	}
	decoded := struct{ Local Local }{}
	if err := json.Unmarshal([]byte(`{"Local":{"id":"x","ID":"x"}}`), &decoded); err != nil || decoded.Local.AccountID() != "" {
		t.Errorf("decoding makes a right: %+v, %v", decoded, err)
	}
}

// A Local with an id is written in one place of the whole program.
func TestLocalIsMadeInOnePlace(t *testing.T) {
	tree := os.DirFS("../..")
	made := map[string]int{}
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		inside := strings.HasPrefix(path, "internal/account/")
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if id, ok := n.Type.(*ast.Ident); ok && inside && id.Name == "Local" && len(n.Elts) > 0 {
					made[path]++
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "unsafe" {
					t.Errorf("%s uses unsafe: nothing can be promised", path)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 1 || made["internal/account/account.go"] != 1 {
		t.Errorf("Local is made in %v, want once in internal/account/account.go", made)
	}
}

// Whatever happens in whatever order, a provider's account has neither password nor one-time token, and nobody signs in to it with a
// local password.
func TestNoOrderOfEventsGivesAProvidersAccountAPassword(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		b := newBench(t)
		var links []string
		passwords := []string{goodPassword, otherPassword}
		ctx := t.Context()
		ids := func() []string {
			var out []string
			for id := range b.store.accounts {
				out = append(out, id)
			}
			return out
		}
		someone := func() string {
			if all := ids(); len(all) > 0 {
				return all[random.IntN(len(all))]
			}
			return "none"
		}
		// Errors are expected: most steps make no sense when they come.
		steps := []func(){
			func() {
				if _, link, err := b.Invite(ctx, Invitation{Email: "eve@example.test"}, "cli"); err == nil {
					links = append(links, link)
				}
			},
			func() {
				if link, err := b.IssueReset(ctx, someone(), "cli"); err == nil {
					links = append(links, link)
				}
			},
			func() { b.RequestReset(ctx, ResetRequest{Identifier: "eve@example.test"}); b.work(t) },
			func() { b.Admit(ctx, eve([]string{"contoso", "linker", "fabrikam"}[random.IntN(3)])) },
			func() { b.Disable(ctx, someone(), "cli") },
			func() { b.Enable(ctx, someone(), "cli") },
			func() { b.CheckPassword(ctx, "eve@example.test", passwords[random.IntN(2)]) },
			func() {
				if len(links) > 0 {
					secret := links[random.IntN(len(links))]
					secret = secret[strings.LastIndexByte(secret, '/')+1:]
					b.RedeemToken(ctx, []Purpose{ForReset, ForInvitation}[random.IntN(2)], secret, passwords[random.IntN(2)])
				}
			},
		}
		for step := range 60 {
			steps[random.IntN(len(steps))]()
			for _, m := range b.mails {
				if d, ok := m.Data.(ResetMail); ok {
					links = append(links, d.Link)
				}
			}
			b.mails = nil
			for id, a := range b.store.accounts {
				if a.Owner == OwnerLocal {
					continue
				}
				if p := b.store.passwords[id]; p.Hash != "" || len(p.Previous) > 0 {
					t.Fatalf("seed %d, step %d: account of %s has a password", seed, step, a.Owner)
				}
				for _, tok := range b.store.tokens {
					if tok.AccountID == id {
						t.Fatalf("seed %d, step %d: account of %s has a token", seed, step, a.Owner)
					}
				}
			}
			for _, p := range passwords {
				if a, err := b.CheckPassword(ctx, "eve@example.test", p); err == nil && (a.Owner != OwnerLocal || a.State != Active) {
					t.Fatalf("seed %d, step %d: signed in to %+v", seed, step, a)
				} else if err != nil && err != identity.ErrWrongPassword && fault.KindOf(err) == fault.Internal {
					t.Fatalf("seed %d, step %d: %v", seed, step, err)
				}
			}
		}
	}
}
