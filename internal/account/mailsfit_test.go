package account_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"crmgate/internal/realtest"
)

// Every mail fits a telephone, whatever addresses are in it, and can be read by day and by night.
func TestMailsFit(t *testing.T) {
	pages, letters := newPages(t), map[string]string{}
	for name, data := range samples("Ann Smith") {
		_, _, html, err := pages.RenderMail(name, data)
		if err != nil {
			t.Fatal(err)
		}
		letters[name] = strings.NewReplacer("ann@example.test", strings.Repeat("maximiliane", 4)+"@example.test", "0123abcd", strings.Repeat("0123abcd", 4)).Replace(html)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, letters[strings.TrimPrefix(r.URL.Path, "/")])
	}))
	defer srv.Close()
	b, axe := realtest.Open(t), realtest.Axe(t)
	b.Phone()
	for name := range letters {
		for _, dark := range []bool{false, true} {
			b.Dark(dark)
			b.Go(srv.URL + "/" + name)
			if got := b.Eval("document.documentElement.scrollWidth - document.documentElement.clientWidth"); got != "0" {
				t.Errorf("%s is %s pixels wider than a telephone", name, got)
			}
			// Landmarks are for pages; a mail is shown inside one.
			got := slices.DeleteFunc(b.Barriers(axe), func(line string) bool {
				return strings.HasPrefix(line, "region:") || strings.HasPrefix(line, "landmark-")
			})
			if len(got) > 0 {
				t.Errorf("%s, dark %v: axe finds %q", name, dark, got)
			}
		}
	}
}
