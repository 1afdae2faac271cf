package realtest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"crmgate/internal/realtest"
)

// The checker sees what it is there for, also under the policy that our pages have.
func TestBarriers(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Form</title><main><h1>Form</h1><font color="#cccccc">pale</font><input type="text"></main></html>`))
	}))
	defer srv.Close()
	b := realtest.Open(t)
	b.Go(srv.URL)
	got := b.Barriers(realtest.Axe(t))
	for _, rule := range []string{"color-contrast: ", "label: "} {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, rule) }) {
			t.Errorf("no %s in %q", rule, got)
		}
	}
}
