package page

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"crmgate/internal/audit"
	"crmgate/templates"
)

func newPages(t testing.TB, change ...func(*Config)) (*Pages, *bytes.Buffer) {
	t.Helper()
	cfg := Config{}.Default()
	cfg.Product, cfg.Support.Email = "Example CRM", "help@example.com"
	for _, c := range change {
		c(&cfg)
	}
	log := &bytes.Buffer{}
	p, err := New(cfg, templates.FS, "/_gate", slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	return p, log
}

func get(target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	return r.WithContext(audit.WithOrigin(r.Context(), audit.Origin{Reference: "ref-1"}))
}

// override returns a templates_dir with the files.
func override(t *testing.T, files map[string]string) func(*Config) {
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(c *Config) { c.TemplatesDir = dir }
}

func TestRender(t *testing.T) {
	p, _ := newPages(t, override(t, map[string]string{
		"pages/hello.html": `{{define "title"}}Hello{{end}}{{define "main"}}<h1>{{.Data}} of {{.Product}} {{.Reference}}</h1>{{end}}`,
	}))
	w := httptest.NewRecorder()
	if err := p.Render(w, get("/_gate/hello"), http.StatusTeapot, "hello", `<svg onload="x">`); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusTeapot {
		t.Errorf("status %d", w.Code)
	}
	body := w.Body.String()
	for _, want := range []string{
		"<title>Hello · Example CRM</title>", "&lt;svg onload=&#34;x&#34;&gt; of Example CRM </h1>", `<html lang="en">`,
		`href="/_gate/assets/` + p.assets.version + `/style.css"`, `href="/_gate/help"`, "mailto:help@example.com",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "same-origin",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	csp := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("no %q in policy %q", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q lets inline scripts or styles run", csp)
	}
	if strings.Contains(csp, "form-action") {
		t.Errorf("policy %q keeps the sign-in form from leading to a provider", csp)
	}
}

// A page that fails half-way leaves nothing behind, and the person gets a whole error page.
func TestRenderIsWholeOrNothing(t *testing.T) {
	p, log := newPages(t, override(t, map[string]string{
		"pages/broken.html": `{{define "title"}}Broken{{end}}{{define "main"}}half {{.Data.Missing}} rest{{end}}`,
	}))
	w := httptest.NewRecorder()
	p.Handle(func(w http.ResponseWriter, r *http.Request) error {
		return p.Render(w, r, http.StatusOK, "broken", struct{}{})
	}).ServeHTTP(w, get("/_gate/broken"))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "half") {
		t.Errorf("status %d, body\n%s", w.Code, w.Body)
	}
	if !strings.Contains(w.Body.String(), "</html>") || strings.Contains(w.Body.String(), "Missing") {
		t.Errorf("no whole error page, or the cause in it:\n%s", w.Body)
	}
	if !strings.Contains(log.String(), "Missing") {
		t.Errorf("the log does not say why: %s", log)
	}
}

func TestRenderUnknownPage(t *testing.T) {
	p, _ := newPages(t)
	w := httptest.NewRecorder()
	if err := p.Render(w, get("/"), http.StatusOK, "no_such", nil); err == nil {
		t.Error("no error")
	}
	if w.Body.Len() > 0 {
		t.Errorf("wrote %q", w.Body)
	}
}

func TestRenderInParallel(t *testing.T) {
	p, _ := newPages(t, override(t, map[string]string{
		"pages/n.html": `{{define "title"}}N{{end}}{{define "main"}}<p>number {{.Data}}.</p>{{end}}`,
	}))
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			w := httptest.NewRecorder()
			if err := p.Render(w, get("/"), http.StatusOK, "n", i); err != nil {
				t.Error(err)
			}
			if got := strings.Count(w.Body.String(), "number "); got != 1 || !strings.Contains(w.Body.String(), fmt.Sprintf("number %d.", i)) {
				t.Errorf("page %d shows %d numbers:\n%s", i, got, w.Body)
			}
		})
	}
	wg.Wait()
}

func TestTemplatesDir(t *testing.T) {
	p, _ := newPages(t, override(t, map[string]string{
		"pages/signed_out.html": `{{define "title"}}Bye{{end}}{{define "main"}}<h1>Bye bye</h1>{{end}}`,
		"static/style.css":      "body{color:red}",
		"static/extra.png":      pngHead,
		"static/secret.key":     "never",
	}))
	w := httptest.NewRecorder()
	if err := p.Render(w, get("/"), http.StatusOK, "signed_out", nil); err != nil || !strings.Contains(w.Body.String(), "Bye bye") {
		t.Errorf("the administrator's page is not shown: %v\n%s", err, w.Body)
	}
	for name, want := range map[string]struct {
		status int
		body   string
	}{
		"style.css":  {http.StatusOK, "body{color:red}"},
		"script.js":  {http.StatusOK, ""},
		"extra.png":  {http.StatusOK, pngHead},
		"secret.key": {http.StatusNotFound, ""},
	} {
		w := httptest.NewRecorder()
		p.Assets().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_gate/assets/"+name, nil))
		if w.Code != want.status || (want.body != "" && w.Body.String() != want.body) {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
}

// Nobody may be the first to meet a built-in template that does not parse.
func TestBuiltinTemplatesParse(t *testing.T) {
	p, _ := newPages(t)
	if len(p.pages) < 20 {
		t.Errorf("%d pages", len(p.pages))
	}
	if err := p.parse(); err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"a page that does not parse": {"pages/help.html": `{{define "title"}}{{end}}{{define "main"}}{{if}}{{end}}`},
		"a page without main":        {"pages/help.html": `{{define "title"}}Help{{end}}`},
		"a mail that does not parse": {"mail/x.txt": `Subject: {{`},
		"a function nobody has":      {"layout/base.html": `{{define "base"}}{{env "HOME"}}{{end}}`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{}.Default()
			override(t, files)(&cfg)
			if _, err := New(cfg, templates.FS, "/_gate", slog.New(slog.DiscardHandler)); err == nil {
				t.Error("no error")
			}
		})
	}
	t.Run("a colour that is none", func(t *testing.T) {
		cfg := Config{}.Default()
		cfg.Color = "red;}"
		if _, err := New(cfg, templates.FS, "/_gate", slog.New(slog.DiscardHandler)); !errors.Is(err, errColor) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no files", func(t *testing.T) {
		if _, err := New(Config{}.Default(), fstest.MapFS{}, "/_gate", slog.New(slog.DiscardHandler)); err == nil {
			t.Error("no error")
		}
	})
}

// The Content-Security-Policy forbids all of this, so a template that needs it would be broken.
func TestTemplatesHaveNothingInline(t *testing.T) {
	inline := regexp.MustCompile(`(?i)\sstyle\s*=|<style|\son[a-z]+\s*=|javascript:|<script(\s+[^>]*)?>[^<]|\s(src|href)\s*=\s*"(https?:)?//`)
	n := 0
	err := fs.WalkDir(templates.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".html") || strings.HasPrefix(name, "mail/") {
			return err
		}
		n++
		b, err := fs.ReadFile(templates.FS, name)
		if found := inline.Find(b); found != nil {
			t.Errorf("%s: %q", name, found)
		}
		return err
	})
	if err != nil || n < 15 {
		t.Fatalf("looked at %d templates: %v", n, err)
	}
}

func TestHelpers(t *testing.T) {
	for in, want := range map[string]string{"contoso": "C", "  élan": "É", "42 Ltd": "4", "": "", "***": "*"} {
		if got := initial(in); got != want {
			t.Errorf("initial(%q) = %q, want %q", in, got, want)
		}
	}
	for number, want := range map[string]string{"+1 (555) 01-00": "+15550100", "+49 (0)30 123-45": "+493012345", "(0)30 123": "030123"} {
		if got := dial(number); got != want {
			t.Errorf("dial(%q) = %q, want %q", number, got, want)
		}
	}
	if got := host("https://help.example.com/x?y"); got != "help.example.com" {
		t.Errorf("host = %q", got)
	}
	if _, err := dict("odd"); err == nil {
		t.Error("dict took a name without a value")
	}
}

func BenchmarkRender(b *testing.B) {
	p, _ := newPages(b)
	r := get("/_gate/x")
	fail := Failure{Kind: "not_found", Status: 404, Sentence: "Not here.", NextURL: "/"}
	b.ReportAllocs()
	for b.Loop() {
		w := nullWriter{h: http.Header{}, Writer: io.Discard}
		if err := p.Render(w, r, 404, "error", fail); err != nil {
			b.Fatal(err)
		}
	}
}

type nullWriter struct {
	h http.Header
	io.Writer
}

func (w nullWriter) Header() http.Header { return w.h }
func (w nullWriter) WriteHeader(int)     {}
