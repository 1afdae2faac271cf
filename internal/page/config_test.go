package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	pngHead = "\x89PNG\r\n\x1a\n0000"
	jpgHead = "\xff\xd8\xff\xe000000"
	svgLogo = `<?xml version="1.0"?><!-- logo --><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1"/></svg>`
)

func file(t *testing.T, name, content string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"defaults":              {func(*Config) {}, nil},
		"no product":            {func(c *Config) { c.Product = " " }, []string{"product"}},
		"colour word":           {func(c *Config) { c.Color = "red" }, []string{"color"}},
		"png logo":              {func(c *Config) { c.LogoFile = file(t, "a.png", pngHead) }, nil},
		"jpeg logo":             {func(c *Config) { c.LogoFile = file(t, "a.jpg", jpgHead) }, nil},
		"svg logo":              {func(c *Config) { c.LogoFile = file(t, "a.svg", svgLogo) }, nil},
		"page called png":       {func(c *Config) { c.LogoFile = file(t, "a.png", "<html><svg></svg></html>") }, []string{"logo_file"}},
		"broken svg":            {func(c *Config) { c.LogoFile = file(t, "a.svg", "<svg><b></svg>") }, []string{"logo_file"}},
		"empty logo":            {func(c *Config) { c.LogoFile = file(t, "a.svg", "") }, []string{"logo_file"}},
		"huge logo":             {func(c *Config) { c.LogoFile = file(t, "a.png", pngHead+strings.Repeat("x", maxLogo)) }, []string{"logo_file"}},
		"no such logo":          {func(c *Config) { c.LogoFile = "/no/such/logo.png" }, []string{"logo_file"}},
		"no such templates":     {func(c *Config) { c.TemplatesDir = "/no/such/dir" }, []string{"templates_dir"}},
		"templates are a file":  {func(c *Config) { c.TemplatesDir = file(t, "a", "") }, []string{"templates_dir"}},
		"good support":          {func(c *Config) { c.Support = Support{Email: "a@b.example", URL: "https://b.example/help"} }, nil},
		"support script":        {func(c *Config) { c.Support.URL = "javascript:alert(1)" }, []string{"support.url"}},
		"support without host":  {func(c *Config) { c.Support.URL = "https:///help" }, []string{"support.url"}},
		"support name and mail": {func(c *Config) { c.Support.Email = "Help <a@b.example>" }, []string{"support.email"}},
		"everything wrong": {func(c *Config) {
			*c = Config{Color: "x", LogoFile: "/no", TemplatesDir: "/no", Support: Support{Email: "x", URL: "x"}}
		}, []string{"product", "color", "logo_file", "templates_dir", "support.email", "support.url"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := Config{}.Default()
			tc.change(&c)
			var got []string
			for _, p := range c.Validate() {
				got = append(got, p.Path)
				if p.Message == "" || p.Hint == "" {
					t.Errorf("%s: message %q, hint %q", p.Path, p.Message, p.Hint)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
