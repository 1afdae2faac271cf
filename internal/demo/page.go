package demo

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

//go:embed templates static
var files embed.FS

// pages are the templates of one of the two programs.
type pages struct{ templates map[string]*template.Template }

func newPages(dir string, now func() time.Time, names ...string) (*pages, error) {
	p := &pages{templates: map[string]*template.Template{}}
	for _, name := range names {
		t, err := template.New("").Funcs(template.FuncMap{
			"initials": initials,
			"hue":      hue,
			"euro":     euro,
			"bytes":    byteSize,
			"ago":      func(t time.Time) string { return ago(now().Sub(t)) },
		}).ParseFS(files, "templates/"+dir+"/layout.html", "templates/"+dir+"/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse page %s/%s: %w", dir, name, err)
		}
		p.templates[name] = t
	}
	return p, nil
}

const csp = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (p *pages) show(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&b, "layout", data); err != nil {
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", csp)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The status is out; a browser that left is no news.
	_, _ = w.Write(b.Bytes())
}

func asset(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		body, err := files.ReadFile("static/" + name)
		if err != nil {
			http.Error(w, "Not found.", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", kind+"; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "max-age=300")
		// A browser that left is no news.
		_, _ = w.Write(body)
	}
}

// initials returns the first letters of the first and the last word.
func initials(name string) string {
	words := strings.Fields(name)
	if len(words) == 0 {
		return "?"
	}
	if len(words) > 1 {
		return letter(words[0]) + letter(words[len(words)-1])
	}
	return letter(words[0])
}

// hue picks one of six colours for a name, the same one every time.
func hue(name string) string {
	n := 0
	for _, r := range name {
		n = (n*31 + int(r)) % 6007
	}
	return "hue" + strconv.Itoa(n%6)
}

func letter(word string) string {
	r, _ := utf8.DecodeRuneInString(word)
	return string(unicode.ToUpper(r))
}

// euro prints an amount with thin groups of three digits.
func euro(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return "€" + s
}

func byteSize(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f kB", float64(n)/(1<<10))
	case n == 1:
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

func ago(d time.Duration) string {
	days := int(d.Hours()) / 24
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return plural(int(d.Minutes()), "minute")
	case days == 0:
		return plural(int(d.Hours()), "hour")
	case days == 1:
		return "yesterday"
	case days < 60:
		return plural(days, "day")
	}
	return plural(days/30, "month")
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit + " ago"
	}
	return fmt.Sprintf("%d %ss ago", n, unit)
}
