package page

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAssets(t *testing.T) {
	p, _ := newPages(t, func(c *Config) { c.LogoFile = file(t, "whatever.bin", svgLogo) })
	for name, tc := range map[string]struct {
		path, contentType, cache string
		status                   int
	}{
		"current version": {p.asset("style.css"), "text/css; charset=utf-8", "public, max-age=31536000, immutable", 200},
		"brand":           {p.asset("brand.css"), "text/css; charset=utf-8", "public, max-age=31536000, immutable", 200},
		"script":          {p.asset("script.js"), "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", 200},
		"logo":            {p.logo, "image/svg+xml", "public, max-age=31536000, immutable", 200},
		"other version":   {"/_gate/assets/000000000000/style.css", "text/css; charset=utf-8", "no-cache", 200},
		"no version":      {"/_gate/assets/style.css", "text/css; charset=utf-8", "no-cache", 200},
		"unknown":         {"/_gate/assets/x/nothing.css", "", "no-store", 404},
		"a template":      {"/_gate/assets/x/../pages/error.html", "", "no-store", 404},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.URL.Path = tc.path
			p.Assets().ServeHTTP(w, r)
			if w.Code != tc.status || w.Header().Get("Cache-Control") != tc.cache {
				t.Errorf("%d, Cache-Control %q", w.Code, w.Header().Get("Cache-Control"))
			}
			if tc.status == 200 && (w.Header().Get("Content-Type") != tc.contentType || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Body.Len() == 0) {
				t.Errorf("headers %v, %d bytes", w.Header(), w.Body.Len())
			}
			if csp := w.Header().Get("Content-Security-Policy"); tc.status == 200 && !strings.Contains(csp, "sandbox") {
				t.Errorf("an SVG opened on its own could run scripts: %q", csp)
			}
		})
	}
	t.Run("unchanged", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "/_gate/assets/style.css", nil)
		r.Header.Set("If-None-Match", `"`+p.assets.version+`"`)
		w := httptest.NewRecorder()
		p.Assets().ServeHTTP(w, r)
		if w.Code != http.StatusNotModified {
			t.Errorf("status %d", w.Code)
		}
	})
	t.Run("a colour is another version", func(t *testing.T) {
		other, _ := newPages(t, func(c *Config) { c.Color = "#aa2200" })
		if other.assets.version == p.assets.version {
			t.Error("same version")
		}
		if icon := other.assets.files["favicon.svg"].body; !bytes.Contains(icon, []byte(`fill="#aa2200"`)) || bytes.Contains(icon, []byte("var(")) {
			t.Error("the icon is not in the brand colour")
		}
	})
}
