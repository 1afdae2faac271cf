package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
)

func TestFailStatus(t *testing.T) {
	driver := errors.New("pq: password authentication failed for user crmgate")
	for name, tc := range map[string]struct {
		err        error
		status     int
		level      string
		sentence   string
		retryAfter string
	}{
		"unknown error":   {driver, 500, "ERROR", "Something went wrong on our side", ""},
		"internal":        {fault.Wrap(fault.Internal, "We broke it.", driver), 500, "ERROR", "We broke it.", ""},
		"invalid":         {fault.New(fault.Invalid, "Send it again."), 400, "INFO", "Send it again.", ""},
		"unauthenticated": {fault.New(fault.Unauthenticated, "Sign in."), 401, "INFO", "Sign in.", ""},
		"forbidden":       {fault.New(fault.Forbidden, "Not for you."), 403, "INFO", "Not for you.", ""},
		"not found":       {fault.New(fault.NotFound, "Not here."), 404, "INFO", "Not here.", ""},
		"conflict":        {fault.New(fault.Conflict, "There already."), 409, "INFO", "There already.", ""},
		"expired":         {fault.New(fault.Expired, "Too old."), 410, "INFO", "Too old.", ""},
		"too many":        {fault.New(fault.TooMany, "Slow down."), 429, "WARN", "Slow down.", "60"},
		"upstream":        {fault.New(fault.Upstream, "No answer."), 502, "WARN", "No answer.", ""},
		"timeout":         {fault.New(fault.Timeout, "Too slow."), 504, "WARN", "Too slow.", ""},
		"unavailable":     {fault.New(fault.Unavailable, "Down."), 503, "WARN", "Down.", "20"},
		"wrapped fault":   {fmt.Errorf("read key: %w", fault.Wrap(fault.Unavailable, "Down.", driver)), 503, "WARN", "Down.", "20"},
		"made-up kind":    {fault.New(fault.Kind(99), "Odd."), 500, "ERROR", "Odd.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, log := newPages(t)
			w := httptest.NewRecorder()
			p.Fail(w, get("/deals"), tc.err)
			body := w.Body.String()
			if w.Code != tc.status || !strings.Contains(body, tc.sentence) || !strings.Contains(body, "ref-1") {
				t.Errorf("status %d, body\n%s", w.Code, body)
			}
			if got := w.Header().Get("Retry-After"); got != tc.retryAfter {
				t.Errorf("Retry-After %q, want %q", got, tc.retryAfter)
			}
			if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("headers %v", w.Header())
			}
			if strings.Contains(body, "pq:") {
				t.Error("the cause is on the page")
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if len(lines) != 1 || !strings.Contains(lines[0], "level="+tc.level) || !strings.Contains(lines[0], "reference=ref-1") {
				t.Errorf("log %q", lines)
			}
			if strings.Contains(tc.err.Error(), "pq:") && !strings.Contains(log.String(), "pq:") {
				t.Errorf("the cause is not in the log: %s", log)
			}
		})
	}
}

func TestFailPageOrJSON(t *testing.T) {
	for name, tc := range map[string]struct {
		target  string
		headers map[string]string
		json    bool
	}{
		"navigation":             {"/deals", map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}, false},
		"old browser":            {"/deals", map[string]string{"Accept": "text/html,*/*;q=0.8"}, false},
		"fetch":                  {"/deals", map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "*/*"}, true},
		"fetch that likes html":  {"/deals", map[string]string{"Sec-Fetch-Mode": "same-origin", "Accept": "text/html"}, true},
		"api client":             {"/deals", map[string]string{"Accept": "application/json"}, true},
		"silent client":          {"/deals", nil, true},
		"old script":             {"/deals", map[string]string{"X-Requested-With": "XMLHttpRequest", "Accept": "text/html"}, true},
		"websocket":              {"/socket", map[string]string{"Upgrade": "websocket", "Accept": "text/html"}, true},
		"silent client, our own": {"/_gate/callback/x", nil, false},
		"any type, our own":      {"/_gate/callback/x", map[string]string{"Accept": "*/*"}, false},
		"api client, our own":    {"/_gate/session", map[string]string{"Accept": "application/json"}, true},
		"fetch, our own":         {"/_gate/session", map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "*/*"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newPages(t)
			r := get(tc.target)
			r.Header = http.Header{}
			for k, v := range tc.headers {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			p.Fail(w, r, fault.Wrap(fault.NotFound, "Not here.", errors.New("cause")))
			if !tc.json {
				if w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
					t.Errorf("not a page: %v", w.Header())
				}
				return
			}
			var got map[string]string
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			want := map[string]string{"error": "not_found", "message": "Not here.", "reference": "ref-1"}
			if diff := cmp.Diff(want, got); diff != "" || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("(-want +got):\n%s%v", diff, w.Header())
			}
		})
	}
}

func TestFailOffersOneThing(t *testing.T) {
	for name, tc := range map[string]struct {
		method, target string
		err            error
		want           []string
		not            []string
	}{
		"the fault's step":         {"GET", "/_gate/reset/set", fault.New(fault.Expired, "Old.").WithNext(fault.NextReset), []string{`href="/_gate/reset">Ask for a new link`}, nil},
		"no step":                  {"GET", "/_gate/x", fault.New(fault.NotFound, "No."), []string{`href="/">Go to Example CRM`}, nil},
		"waiting helps":            {"GET", "/deals?page=2", fault.New(fault.Upstream, "No."), []string{`href="/deals?page=2">Try again`}, nil},
		"waiting, after a form":    {"POST", "/deals", fault.New(fault.Upstream, "No."), []string{`href="/">Go to Example CRM`}, nil},
		"a step to another origin": {"GET", "/_gate/x", fault.New(fault.Expired, "Old.").WithNext(fault.Next{Label: "Go", Path: "//evil.example"}), []string{`href="/">`}, []string{"evil"}},
		"an address of another origin": {"GET", "http://crm.example//evil.example/x", fault.New(fault.Upstream, "No."),
			[]string{`href="/">`}, []string{`href="//evil`}},
		"refused":            {"GET", "/admin/?a=1&b=2", fault.New(fault.Forbidden, "Not for you."), []string{"Sign in as somebody else", "switch=1&amp;return_to=%2Fadmin%2F%3Fa%3D1%26b%3D2", "help desk", "mailto:help@example.com?subject=Reference%20ref-1"}, nil},
		"refused at sign-in": {"GET", "/_gate/callback/x?code=secret", fault.New(fault.Forbidden, "Not you.").WithNext(fault.NextSignIn), []string{`href="/_gate/sign-in">Sign in again`, `href="/_gate/sign-in?switch=1"`}, []string{"secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newPages(t)
			r := get(tc.target)
			r.Method = tc.method
			w := httptest.NewRecorder()
			p.Fail(w, r, tc.err)
			for _, want := range tc.want {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("no %q in\n%s", want, w.Body)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(w.Body.String(), not) {
					t.Errorf("%q in\n%s", not, w.Body)
				}
			}
			if n := strings.Count(w.Body.String(), "button primary"); n != 1 {
				t.Errorf("%d main buttons", n)
			}
		})
	}
}

func TestFailWithoutReference(t *testing.T) {
	p, log := newPages(t)
	w := httptest.NewRecorder()
	p.Fail(w, httptest.NewRequest(http.MethodGet, "/", nil), errors.New("x"))
	var got map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got["reference"]) != 32 || !strings.Contains(log.String(), "reference="+got["reference"]) {
		t.Errorf("reference %q, log %s", got["reference"], log)
	}
}

// The path behind a mailed link is a secret; the pattern that matched it is not.
func TestFailLogsPattern(t *testing.T) {
	p, log := newPages(t)
	mux := http.NewServeMux()
	mux.Handle("GET /_gate/reset/{token}", p.Handle(func(http.ResponseWriter, *http.Request) error { return errors.New("x") }))
	mux.ServeHTTP(httptest.NewRecorder(), get("/_gate/reset/s3cr3t"))
	if strings.Contains(log.String(), "s3cr3t") || !strings.Contains(log.String(), "/_gate/reset/{token}") {
		t.Errorf("log %s", log)
	}
}

func TestFailAfterBrowserLeft(t *testing.T) {
	p, log := newPages(t)
	r := get("/")
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	p.Fail(httptest.NewRecorder(), r.WithContext(ctx), fmt.Errorf("ask store: %w", context.Canceled))
	if !strings.Contains(log.String(), "level=DEBUG") {
		t.Errorf("log %s", log)
	}
}

func TestFailTakesBackHeaders(t *testing.T) {
	p, _ := newPages(t)
	w := httptest.NewRecorder()
	for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Location"} {
		w.Header().Set(name, "x")
	}
	p.Fail(w, get("/"), errors.New("x"))
	for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Location"} {
		if w.Header().Get(name) != "" {
			t.Errorf("%s is still there", name)
		}
	}
}

// An administrator's error page that fails must not cost the person the sentence.
func TestFailWithBrokenErrorPage(t *testing.T) {
	p, log := newPages(t, override(t, map[string]string{"pages/error.html": `{{define "title"}}E{{end}}{{define "main"}}{{.Data.Nothing}}{{end}}`}))
	w := httptest.NewRecorder()
	p.Fail(w, get("/"), fault.New(fault.NotFound, "Not here."))
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "Not here.") || !strings.Contains(w.Body.String(), "ref-1") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "error page failed") {
		t.Errorf("log %s", log)
	}
}

func TestMethodNotAllowed(t *testing.T) {
	p, _ := newPages(t)
	w := httptest.NewRecorder()
	p.MethodNotAllowed(w, get("/_gate/sign-in"), http.MethodGet, http.MethodPost)
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, POST" || !strings.Contains(w.Body.String(), "</html>") {
		t.Errorf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
}

func TestNoTokenInTheLogWithoutARoute(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/_gate/reset/"+strings.Repeat("a", 43), nil)
	if got := loggedPath(r); got != "/_gate/reset/…" {
		t.Errorf("logged path %q", got)
	}
	if got := loggedPath(httptest.NewRequest(http.MethodGet, "/deals/7b6bb7e2-3c7c-4f6e-9df0-7f6e4ce0f4a1", nil)); !strings.HasSuffix(got, "f4a1") {
		t.Errorf("logged path %q", got)
	}
}
