package page

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"
	"unicode"
	"unicode/utf8"
)

// maxKept is the capacity above which a buffer is not kept for the next page.
const maxKept = 256 << 10

// View is what every page and mail can show. What the page itself brings is Data.
type View struct {
	Product, Organisation string
	// Color is the brand colour as configured, OnColor the black or white that can be read on it. They are for mails; pages
	// take their colours from the style sheet.
	Color, OnColor string

	Support Support
	// Logo is the address of the logo, empty where there is none.
	Logo string
	// Prefix is server.path_prefix.
	Prefix string
	// Reference is the request id that the log has too. Only error pages have one: two people who ask for a reset must get the same page
	// to the last byte.
	Reference string
	Data      any
}

// Pages renders pages and mails. It is immutable and safe for concurrent use.
type Pages struct {
	prefix string
	// common is what pages and mails show alike.
	common  View
	log     *slog.Logger
	logo    string
	assets  assets
	buffers sync.Pool

	// Each is parsed when it is first needed: together they are more than a third of what a start costs.
	pages   map[string]func() (*template.Template, error)
	texts   func() (*texttemplate.Template, error)
	letters func() (*template.Template, error)
}

// New takes templates from files (package templates) and, over them, from cfg.TemplatesDir. It fails where one is missing, and where an
// administrator's do not parse; that the built-in ones do is for a test to prove. Prefix is server.path_prefix.
func New(cfg Config, files fs.FS, prefix string, log *slog.Logger) (*Pages, error) {
	brand, err := parseColor(cfg.Color)
	if err != nil {
		return nil, fmt.Errorf("read branding.color %q: %w", cfg.Color, err)
	}
	p := &Pages{prefix: prefix, log: log, buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
	p.common = View{
		Product: cfg.Product, Organisation: cfg.Organisation, Color: brand.String(), OnColor: brand.on().String(),
		Support: cfg.Support, Prefix: prefix,
	}
	files = over(cfg.TemplatesDir, files)
	if p.assets, err = loadAssets(cfg, files); err != nil {
		return nil, fmt.Errorf("load assets: %w", err)
	}
	if p.assets.logo != "" {
		p.logo = p.asset(p.assets.logo)
	}
	if err := p.loadPages(files); err != nil {
		return nil, fmt.Errorf("load pages: %w", err)
	}
	p.loadMails(files)
	if cfg.TemplatesDir != "" {
		if err := p.parse(); err != nil {
			return nil, fmt.Errorf("read branding.templates_dir: %w", err)
		}
	}
	return p, nil
}

// parse parses every template now and returns the first error.
func (p *Pages) parse() error {
	for _, name := range slices.Sorted(maps.Keys(p.pages)) {
		if _, err := p.pages[name](); err != nil {
			return err
		}
	}
	if _, err := p.texts(); err != nil {
		return err
	}
	_, err := p.letters()
	return err
}

func (p *Pages) loadPages(files fs.FS) error {
	base := sync.OnceValues(func() (*template.Template, error) {
		return template.New("base").Funcs(functions()).Funcs(template.FuncMap{"asset": p.asset}).ParseFS(files, "layout/*.html", "parts/*.html")
	})
	names, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		return err
	}
	p.pages = make(map[string]func() (*template.Template, error), len(names))
	for _, name := range names {
		p.pages[strings.TrimSuffix(path.Base(name), ".html")] = sync.OnceValues(func() (*template.Template, error) {
			layout, err := base()
			if err != nil {
				return nil, err
			}
			return parsePage(layout, files, name)
		})
	}
	if p.pages["error"] == nil || p.pages["forbidden"] == nil {
		return errors.New("pages/error.html and pages/forbidden.html must exist")
	}
	return nil
}

// parsePage reads one page into a copy of the layout.
func parsePage(layout *template.Template, files fs.FS, name string) (*template.Template, error) {
	t, err := layout.Clone()
	if err != nil {
		return nil, err
	}
	if t, err = t.ParseFS(files, name); err != nil {
		return nil, err
	}
	for _, part := range []string{"title", "main"} {
		if t.Lookup(part) == nil {
			return nil, fmt.Errorf("%s does not define %q", name, part)
		}
	}
	return t, nil
}

// asset returns the address of an asset; browsers may keep it for good.
func (p *Pages) asset(name string) string {
	return p.prefix + "/assets/" + p.assets.version + "/" + name
}

// view is what a page shows around data.
func (p *Pages) view(data any) View {
	v := p.common
	v.Logo, v.Data = p.logo, data
	return v
}

// Render writes a page: templates/pages/<name>.html inside the layout, with data as .Data. Nothing is written where an error is
// returned.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	return p.render(w, status, name, p.view(data))
}

func (p *Pages) render(w http.ResponseWriter, status int, name string, v View) error {
	page := p.pages[name]
	if page == nil {
		return fmt.Errorf("render page %s: no such template", name)
	}
	t, err := page()
	if err != nil {
		return fmt.Errorf("parse page %s: %w", name, err)
	}
	b := p.buffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= maxKept {
			b.Reset()
			p.buffers.Put(b)
		}
	}()
	if err := t.ExecuteTemplate(b, "base", v); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	secure(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	// The browser that went away is nobody's fault.
	_, _ = w.Write(b.Bytes())
	return nil
}

// secure sets the headers of every page of ours.
func secure(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	if h.Get("Referrer-Policy") == "" {
		// Not no-referrer: with it browsers post our own forms with "Origin: null", which older ones without Sec-Fetch-Site
		// could then not prove to be ours.
		h.Set("Referrer-Policy", "same-origin")
	}
}

// policy lets a page load our own assets and nothing else. There is no form-action: Chromium holds it against every redirect that
// answers a form too, and the sign-in form leads to providers, and to whatever they federate with, which nobody can list.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handle adapts a handler that returns its error.
func (p *Pages) Handle(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			p.Fail(w, r, err)
		}
	})
}

// functions are what templates may call, pages and mails alike.
func functions() map[string]any {
	return map[string]any{"initial": initial, "dict": dict, "dial": dial, "host": host, "otpauth": otpauth}
}

// initial returns the first letter or digit of a name in upper case, for the mark of a product or provider without a logo.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	if r, _ := utf8.DecodeRuneInString(name); r != utf8.RuneError {
		return string(r)
	}
	return ""
}

// dial returns a telephone number as a tel: address wants it.
func dial(number string) string {
	if strings.HasPrefix(number, "+") {
		// "+49 (0)30": the zero is dialled instead of the country code, never after it.
		number = strings.Replace(number, "(0)", "", 1)
	}
	return strings.Map(func(r rune) rune {
		if r == '+' || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, number)
}

// otpauth lets the address of an authenticator app stand in a link, whose scheme html/template does not know; anything else is none.
func otpauth(address string) template.URL {
	if !strings.HasPrefix(address, "otpauth://totp/") {
		return ""
	}
	return template.URL(address)
}

// host returns the host of a web address, for people to read.
func host(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

// dict hands several named values to a part: {{template "part" (dict "id" "password" "label" "Password")}}.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict: a name without a value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is not a name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
