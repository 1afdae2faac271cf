package web_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crmgate/internal/realtest"
)

// site serves every page of shows at /page/<name>, a webmail at /mail, and one world's real addresses.
func site(t *testing.T, w *world, posts *atomic.Int32) string {
	mux := http.NewServeMux()
	mux.HandleFunc("/page/{name}", func(rw http.ResponseWriter, r *http.Request) {
		show := shows[r.PathValue("name")]
		v := newWorld(t)
		if show.change != nil {
			show.change(v)
		}
		rec := v.do(show.method, show.target, show.body, withLink)
		maps.Copy(rw.Header(), rec.Header())
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(rec.Body.Bytes())
	})
	mux.HandleFunc("/mail", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(rw, `<!doctype html><a href="http://localhost:`+r.FormValue("port")+`/_gate/reset/`+goodLink+`">Choose a new password</a>`)
	})
	routes := w.Routes()
	mux.HandleFunc("/_gate/", func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Path, "/password-check") {
			posts.Add(1)
			time.Sleep(300 * time.Millisecond) // long enough for a second click
		}
		routes.ServeHTTP(rw, r)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

// Small targets and pages wider than the window, as the browser measures them. Links inside a sentence may be small (WCAG 2.5.8).
const misfits = `[...document.querySelectorAll("a, button, summary, input:not([type=hidden]):not([type=checkbox])")]
	.filter(e => { const b = e.getBoundingClientRect(); return b.width > 0 && getComputedStyle(e).display !== "inline" && b.height < 43.5 })
	.map(e => e.outerHTML.slice(0, 120))
	.concat([...document.querySelectorAll("main *, footer *")].filter(e => e.firstChild?.nodeType === 3 && parseFloat(getComputedStyle(e).fontSize) < 16).map(e => "small text: " + e.textContent.slice(0, 40)))
	.concat(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ["wider than the window"] : []).join("\n")`

// Every page loads all it needs under its own Content-Security-Policy, fits a telephone and has no barrier that axe knows, by day or by night.
func TestPagesInBrowser(t *testing.T) {
	b := realtest.Open(t)
	at := site(t, newWorld(t), new(atomic.Int32))
	b.Phone()
	axe := realtest.Axe(t)
	for i, name := range slices.Sorted(maps.Keys(shows)) {
		b.Dark(i%2 == 1)
		b.Go(at + "/page/" + url.PathEscape(name))
		if got := b.Barriers(axe); len(got) > 0 {
			t.Errorf("%s: axe finds %q", name, got)
		}
		if got := b.Eval(misfits); got != "" {
			t.Errorf("%s: %s", name, got)
		}
		if got := b.Eval(`getComputedStyle(document.body).fontSize + " " + (document.querySelector(".button.primary") ? getComputedStyle(document.querySelector(".button.primary")).backgroundColor : "rgb(31, 95, 191)")`); got != "16px rgb(31, 95, 191)" {
			t.Errorf("%s: the style sheets are not there: %s", name, got)
		}
	}
	for _, e := range b.Errors() {
		// A page of a status over 399 is told to the console by the browser itself.
		if !strings.Contains(e, "the server responded with a status of") {
			t.Errorf("the browser complains: %s", e)
		}
	}
}

// A link in a webmail is a navigation from another site: the cookie must survive it.
func TestMailedLinkInBrowser(t *testing.T) {
	w, posts := newWorld(t), new(atomic.Int32)
	b, at := realtest.Open(t), site(t, w, posts)
	b.Go(at + "/mail?port=" + at[strings.LastIndex(at, ":")+1:])
	b.Click("a")
	if got := b.URL(); !strings.HasSuffix(got, "/_gate/reset/set") || !strings.HasPrefix(got, "http://localhost:") {
		t.Fatalf("address bar %q", got)
	}
	if got := b.Eval(`document.referrer + document.cookie + document.activeElement.id`); got != "password" {
		t.Errorf("referrer, cookie or focus: %q", got)
	}
	state := `document.querySelector("#password").type + " " + document.querySelector("[data-shows=password]").getAttribute("aria-pressed")`
	b.Fill("#password", "correct horse battery")
	b.Click("[data-shows=password]")
	if got := b.Eval(state); got != "text true" {
		t.Errorf("switched on: %s", got)
	}
	b.Click("[data-shows=password]")
	if got := b.Eval(state); got != "password false" {
		t.Errorf("switched off: %s", got)
	}
	b.Fill("#password_confirm", "correct horse battery")
	b.Eval(`(() => { const s = document.querySelector("main button[type=submit]"); s.click(); s.click(); s.click() })()`)
	b.Wait(".badge.good")
	if got := b.Text("h1"); got != "Your password is changed" || posts.Load() != 1 || w.accounts.password != "correct horse battery" {
		t.Errorf("heading %q after %d posts, password %q", got, posts.Load(), w.accounts.password)
	}
}

// What is wrong with a new password is said while it is typed, by the server's rules, and nothing is sent before it is long enough.
func TestAdviceWhileTyping(t *testing.T) {
	w, posts := newWorld(t), new(atomic.Int32)
	b, at := realtest.Open(t), site(t, w, posts)
	b.Go(strings.Replace(at, "127.0.0.1", "localhost", 1) + "/_gate/reset/" + goodLink)
	line := "#password-rules [role=status]"
	says := func(typed, want string) {
		t.Helper()
		b.Fill("#password", typed)
		for range 1200 {
			if b.Text(line) == want {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("%q: the page says %q, want %q", typed, b.Text(line), want)
	}
	says("fourteen chars", "One more character.")
	says("short", "10 more characters.")
	says("ann@partner.example", "Everybody's first guess is this password. Choose another one.")
	says("lantern quince over the gravel", "A good password.")
	if got := b.Eval(`document.querySelector("#password-rules [role=status]").className`); !strings.Contains(got, "good") {
		t.Errorf("class %q", got)
	}
	if errs := b.Errors(); len(errs) > 0 {
		t.Errorf("the browser complains: %q", errs)
	}
}
