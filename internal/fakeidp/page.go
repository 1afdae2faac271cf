package fakeidp

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed templates/*.html static/*
var files embed.FS

// pages renders what people see. It looks nothing like the gateway on purpose: a person must notice whose page they are on.
type pages struct {
	org       string
	path      string // the issuer's path
	templates map[string]*template.Template
	style     []byte
	logo      []byte
}

// frame is what the layout needs.
type frame struct {
	Title   string
	Org     string
	Initial string
	Path    string
	Failed  bool
	P       any
}

func newPages(s *Server) (*pages, error) {
	p := &pages{org: s.cfg.Name, path: s.path, templates: map[string]*template.Template{}}
	for _, name := range []string{"sign_in", "choose", "home", "refused", "form_post", "forgot", "forgot_set", "change", "password_done", "sign_out", "signed_out"} {
		t, err := template.ParseFS(files, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		p.templates[name] = t
	}
	css, err := files.ReadFile("static/style.css")
	if err != nil {
		return nil, fmt.Errorf("read style: %w", err)
	}
	// The content security policy allows no style in the page, so the accent goes into the sheet.
	p.style = []byte(strings.NewReplacer("#5b3fa8", s.cfg.Color, "/*on-accent*/#fff", onColor(s.cfg.Color)).Replace(string(css)))
	svg, err := files.ReadFile("static/icon.svg")
	if err != nil {
		return nil, fmt.Errorf("read icon: %w", err)
	}
	var letter bytes.Buffer
	template.HTMLEscape(&letter, []byte(initial(s.cfg.Name)))
	p.logo = []byte(strings.NewReplacer("#5b3fa8", s.cfg.Color, "#ffffff", onColor(s.cfg.Color), "{{letter}}", letter.String()).Replace(string(svg)))
	return p, nil
}

// show renders a page. Its forms may end at our own addresses and at the origin of goesTo, where a browser is sent on: browsers
// hold the whole chain of redirects against form-action.
func (p *pages) show(w http.ResponseWriter, status int, name, title, goesTo string, data any) {
	var b bytes.Buffer
	f := frame{Title: title, Org: p.org, Initial: initial(p.org), Path: p.path, Failed: status >= 400, P: data}
	if err := p.templates[name].ExecuteTemplate(&b, "layout", f); err != nil {
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"+originOf(goesTo))
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The status is out; a browser that left is no news.
	_, _ = w.Write(b.Bytes())
}

// refuse shows a sentence to a person who cannot be sent anywhere.
func (p *pages) refuse(w http.ResponseWriter, status int, sentence string) {
	p.show(w, status, "refused", "This does not work", "", sentence)
}

// formPostPage carries an authorization response in a form (OAuth 2.0 Form Post Response Mode).
type formPostPage struct {
	Action string
	Fields url.Values
}

func (p *pages) formPost(w http.ResponseWriter, action string, v url.Values) {
	p.show(w, http.StatusOK, "form_post", "One moment", action, formPostPage{action, v})
}

func (p *pages) css(w http.ResponseWriter, _ *http.Request) { static(w, "text/css", p.style) }

func (p *pages) icon(w http.ResponseWriter, _ *http.Request) { static(w, "image/svg+xml", p.logo) }

func (p *pages) submitJS(w http.ResponseWriter, _ *http.Request) {
	static(w, "text/javascript", []byte("document.forms[0].submit()\n"))
}

func static(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "max-age=300")
	// A browser that left is no news.
	_, _ = w.Write(body)
}

// originOf returns " scheme://host" of an address, empty for anything else.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.ContainsAny(u.Host, " ;,'\"") {
		return ""
	}
	return " " + u.Scheme + "://" + u.Host
}

func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(strings.TrimSpace(name))
	return string(unicode.ToUpper(r))
}

// onColor returns black or white, whichever is easier to read on a #rrggbb.
func onColor(c string) string {
	n, err := strconv.ParseUint(strings.TrimPrefix(c, "#"), 16, 32)
	if err != nil {
		return "#fff"
	}
	// The weights of sRGB luminance, close enough without gamma for a choice of two.
	if light := 299*(n>>16&255) + 587*(n>>8&255) + 114*(n&255); light > 140_000 {
		return "#111"
	}
	return "#fff"
}
