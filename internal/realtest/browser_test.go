package realtest_test

import (
	"bytes"
	"fmt"
	"html"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crmgate/internal/realtest"
)

const firstPage = `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>First</title>
<style>body { background: white; margin: 0; height: 2000px } @media (prefers-color-scheme: dark) { body { background: black } }</style>
<h1>First</h1><p id="hidden" hidden>not seen</p><p id="late" hidden>late</p>
<form method="post" action="/hop"><input name="who" value="somebody"><button>Go</button></form>
<script>setTimeout(() => document.querySelector('#late').hidden = false, 200)</script>
<script>onclick = () => { throw new Error('a fault in the page') }</script>`

// pages is a site whose form leads to the third page through a redirect, a slow answer and a script.
func pages(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, firstPage) })
	mux.HandleFunc("POST /hop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/slow?who="+url.QueryEscape(r.FormValue("who")), http.StatusSeeOther)
	})
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(400 * time.Millisecond)
		fmt.Fprintf(w, `<!doctype html><title>Second</title><h1>Second</h1><script>location = '/third?' + new URLSearchParams(location.search)</script>`)
	})
	mux.HandleFunc("GET /third", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "script-src 'none'")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<!doctype html><title>Third</title><h1>Hello %s</h1><script>alert(1)</script>`, html.EscapeString(r.FormValue("who")))
	})
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site.URL
}

func TestBrowserWalksThroughAForm(t *testing.T) {
	b, site := realtest.Open(t), pages(t)
	b.Go(site)
	b.Wait("#late")
	b.Fill("input[name=who]", "Zoë & co")
	b.Click("button")
	if got := b.Text("h1"); got != "Hello Zoë & co" {
		t.Errorf("heading = %q, want the third page's", got)
	}
	if got := b.URL(); !strings.HasPrefix(got, site+"/third?") {
		t.Errorf("address = %s, want the third page's", got)
	}
	if got := b.HTML(); !strings.Contains(got, "<title>Third</title>") {
		t.Errorf("document = %s, want the third page", got)
	}
	if got := b.Eval("fetch('/third').then(r => r.status)"); got != "403" {
		t.Errorf("eval = %s, want 403", got)
	}
	got := strings.Join(b.Errors(), "\n")
	for _, want := range []string{"a fault in the page", "Content Security Policy"} {
		if !strings.Contains(got, want) {
			t.Errorf("errors lack %q:\n%s", want, got)
		}
	}
}

func TestBrowserShowsSizesAndColours(t *testing.T) {
	b, site := realtest.Open(t), pages(t)
	t.Setenv("ARTIFACTS_DIR", t.TempDir())
	b.Go(site)
	tests := []struct {
		name       string
		set        func(*realtest.Browser)
		width      string
		background string
		pixels     int
	}{
		{"desktop light", func(b *realtest.Browser) { b.Desktop(); b.Dark(false) }, "1280", "rgb(255, 255, 255)", 1280},
		{"phone dark", func(b *realtest.Browser) { b.Phone(); b.Dark(true) }, "390", "rgb(0, 0, 0)", 780},
		{"desktop again", func(b *realtest.Browser) { b.Desktop(); b.Dark(false) }, "1280", "rgb(255, 255, 255)", 1280},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := b.In(t)
			tt.set(b)
			if got := b.Eval("innerWidth"); got != tt.width {
				t.Errorf("width = %s, want %s", got, tt.width)
			}
			if got := b.Eval("getComputedStyle(document.body).backgroundColor"); got != tt.background {
				t.Errorf("background = %s, want %s", got, tt.background)
			}
			b.Screenshot(t.Name())
			data, err := os.ReadFile(filepath.Join(os.Getenv("ARTIFACTS_DIR"), strings.NewReplacer("/", "-").Replace(t.Name())+".png"))
			if err != nil {
				t.Fatal(err)
			}
			pic, err := png.DecodeConfig(bytes.NewReader(data))
			if err != nil || pic.Width != tt.pixels || pic.Height < 2000*tt.pixels/1280 {
				t.Errorf("picture is %dx%d, %v; want the whole page, %d wide", pic.Width, pic.Height, err, tt.pixels)
			}
		})
	}
}
