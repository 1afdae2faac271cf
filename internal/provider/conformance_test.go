package provider_test

import (
	"cmp"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

// The table in doc.go names tests that there are.
func TestConformanceTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^//\t(oidcc-\S+(?: with \S+)?) +(?:(\w+)\.)?(Test\w+)(?:/(.+))?$`).FindAllStringSubmatch(string(doc), -1)
	if len(rows) < 40 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	seen, known, said := map[string]bool{}, map[string]map[string]bool{}, map[string]map[string]bool{}
	for _, row := range rows {
		id, where, function, name := row[1], row[2], row[3], row[4]
		if known[where] == nil {
			known[where], said[where] = testNames(t, where)
		}
		names, texts := known[where], said[where]
		if seen[id] {
			t.Errorf("%s stands there twice", id)
		}
		seen[id] = true
		if !names[function] {
			t.Errorf("%s: there is no %s", id, function)
		}
		if name != "" && !texts[name] {
			t.Errorf("%s: no case is called %q", id, name)
		}
	}
	if mentioned := strings.Count(string(doc), "\toidcc-"); mentioned != len(rows) {
		t.Errorf("%d of %d rows cannot be read", mentioned-len(rows), mentioned)
	}
}

// testNames returns the functions of a package's tests (empty is this one), and every text in them and in the catalogue of misbehaviour.
func testNames(t *testing.T, where string) (functions, texts map[string]bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", cmp.Or(where, "provider"), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	functions, texts = map[string]bool{}, map[string]bool{}
	for _, name := range append(files, "../fakeidp/catalogue.go") {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				functions[n.Name.Name] = true
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					texts[strings.Trim(n.Value, "`\"")] = true
				}
			}
			return true
		})
	}
	return functions, texts
}

func TestKeysWithoutNames(t *testing.T) {
	nameless := func(keys []map[string]any) []map[string]any {
		for _, k := range keys {
			delete(k, "kid")
		}
		return keys
	}
	for _, tt := range []struct {
		name    string
		algs    []string
		rotate  bool
		keys    func([]map[string]any) []map[string]any
		signing fakeidp.Signing
		good    bool
	}{
		{name: "one key", algs: []string{"ES256"}, keys: nameless, good: true},
		{name: "several keys", algs: []string{"ES256", "RS256"}, rotate: true, keys: nameless, good: true},
		{name: "only the token has none", algs: []string{"ES256"}, rotate: true, good: true},
		{name: "one key, a foreign signature", algs: []string{"ES256"}, keys: nameless, signing: fakeidp.SignForeignKey},
		{name: "several keys, a foreign signature", algs: []string{"ES256"}, rotate: true, keys: nameless, signing: fakeidp.SignForeignKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, func(c *fakeidp.Config) { c.Algs = tt.algs }, nil)
			if tt.rotate {
				if err := p.idp.RotateKeys(true); err != nil {
					t.Fatal(err)
				}
			}
			p.idp.SetFaults(fakeidp.Faults{WithoutKid: true, EditKeys: tt.keys, Signing: tt.signing})
			if _, err := p.signIn(); (err == nil) != tt.good {
				t.Errorf("sign-in: %v, want good %v", err, tt.good)
			}
		})
	}
}

func TestBrokenSignatures(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			p := newParty(t, func(c *fakeidp.Config) { c.Algs = []string{alg} }, nil)
			p.mustSignIn()
			p.idp.SetFaults(fakeidp.Faults{Signing: fakeidp.SignBroken})
			if _, err := p.signIn(); refusal(err) != "unauthenticated: token_refused" {
				t.Errorf("sign-in: %v", err)
			}
		})
	}
}

func TestMoreGoodIDTokens(t *testing.T) {
	p := newParty(t, nil, nil)
	for name, edit := range map[string]func(map[string]any){
		"at_hash missing":          func(c map[string]any) { delete(c, "at_hash") },
		"azp ours":                 func(c map[string]any) { c["azp"] = "crm" },
		"several aud with our azp": func(c map[string]any) { c["aud"], c["azp"] = []any{"other", "crm"}, "crm" },
		"auth_time missing":        func(c map[string]any) { delete(c, "auth_time") },
	} {
		t.Run(name, func(t *testing.T) {
			p.idp.SetFaults(fakeidp.Faults{EditIDToken: edit})
			p.mustSignIn()
		})
	}
}

func TestUserinfoIsAskedWithTheHeader(t *testing.T) {
	p := newParty(t, nil, nil)
	// The fake provider takes an access token in the header alone.
	p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) { delete(c, "email") }})
	if id := p.mustSignIn(); id.Email != "ann@contoso.example" || p.idp.Calls(fakeidp.EndpointUserinfo) != 1 {
		t.Errorf("e-mail %q after %d questions", id.Email, p.idp.Calls(fakeidp.EndpointUserinfo))
	}
}

func TestKeysRotateBeforeTheSignature(t *testing.T) {
	p := newParty(t, nil, nil)
	p.mustSignIn()
	params, err := p.respond(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.idp.RotateKeys(false); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Exchange(context.Background(), identity.Callback{Params: params, Nonce: nonce, Verifier: pkce}); err != nil {
		t.Errorf("Exchange: %v", err)
	}
}

// A form that says error is an answer like another; package web brings its parameters here (TestFormPostInBrowser, TestCallback).
func TestFormPostError(t *testing.T) {
	p := newParty(t, nil, func(c *provider.Config) { c.Request.ResponseMode = "form_post" })
	form := url.Values{"error": {"access_denied"}, "error_description": {"<b>"}, "state": {"the-state"}, "iss": {p.idp.Issuer()}}
	_, err := p.Exchange(context.Background(), identity.Callback{Params: maps.Clone(form), Nonce: nonce, Verifier: pkce})
	if !fault.Is(err, fault.Forbidden) {
		t.Errorf("Exchange: %v", err)
	}
	wantPlain(t, err, "<b>")
	address, err := p.AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: nonce, Verifier: pkce})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		t.Errorf("the provider does not answer by form: %s", res.Status)
	}
}
