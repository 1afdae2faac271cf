package middleware_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"crmgate/internal/fault"
	"crmgate/internal/middleware"
)

// failing notes the error it was given.
type failing struct{ err error }

func (f *failing) Fail(w http.ResponseWriter, r *http.Request, err error) {
	f.err = err
	w.WriteHeader(http.StatusTeapot)
}

func TestRecover(t *testing.T) {
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		status  int
		failed  string // in the error that Fail gets
		panics  bool
		logged  string
	}{
		{"nothing wrong", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(201) }, 201, "", false, ""},
		{"before the answer", func(http.ResponseWriter, *http.Request) { panic("boom") }, 418, "panic: boom\ngoroutine", false, ""},
		{"an error", func(http.ResponseWriter, *http.Request) { panic(errors.New("bang")) }, 418, "panic: bang", false, ""},
		{"after informational answers", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); panic("boom") }, 418, "panic: boom", false, ""},
		{"in the middle", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "half"); panic("boom") }, 200, "", true, "boom"},
		{"cut off on purpose", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 200, "", true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log bytes.Buffer
			f, w := &failing{}, httptest.NewRecorder()
			h := middleware.Recover(f, slog.New(slog.NewTextHandler(&log, nil)), tc.handler)
			func() {
				defer func() {
					if v := recover(); (v == http.ErrAbortHandler) != tc.panics {
						t.Errorf("panics with %v", v)
					}
				}()
				h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			}()
			if got := fmt.Sprint(f.err); (f.err != nil) != (tc.failed != "") || !strings.Contains(got, tc.failed) && tc.failed != "" {
				t.Errorf("failed with %v, want %q", f.err, tc.failed)
			}
			if code := w.Code; code != tc.status && !(code == 103 && tc.status == 418) { // httptest keeps the first status
				t.Errorf("status %d, want %d", code, tc.status)
			}
			if (log.Len() > 0) != (tc.logged != "") || !strings.Contains(log.String(), tc.logged) {
				t.Errorf("log %q", log.String())
			}
		})
	}
}

// TestAccessLogLevels is about what the default level shows: failures and our own pages, not what passed to the CRM and came back well.
func TestAccessLogLevels(t *testing.T) {
	for _, tc := range []struct {
		name, target string
		status       int
		logged       bool
	}{
		{"the CRM, well", "/contacts", 200, false},
		{"the CRM, not modified", "/contacts", 304, false},
		{"the CRM, failed", "/contacts", 500, true},
		{"refused", "/admin", 403, true},
		{"our own", "/_gate/sign-in", 200, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log bytes.Buffer
			h := middleware.AccessLog(slog.New(slog.NewJSONHandler(&log, nil)), "/_gate", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tc.status) }))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", tc.target, nil))
			if logged := log.Len() > 0; logged != tc.logged {
				t.Errorf("logged at the default level: %v, want %v: %s", logged, tc.logged, log.String())
			}
		})
	}
}

func TestAccessLog(t *testing.T) {
	token := strings.Repeat("T0ken-", 8)[:43]
	for _, tc := range []struct {
		name, target string
		handler      http.HandlerFunc
		path         string
		status       float64
		bytes        float64
	}{
		{"plain", "/contacts/7?secret=1", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }, "/contacts/7", 200, 5},
		{"status", "/x", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }, "/x", 404, 0},
		{"nothing written", "/x", func(http.ResponseWriter, *http.Request) {}, "/x", 200, 0},
		{"cut off", "/x", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "/x", 0, 0},
		{"a mailed token", "/_gate/reset/" + token + "?a", func(http.ResponseWriter, *http.Request) {}, "/_gate/reset/…", 200, 0},
		{"a mailed token behind two slashes", "//_gate//reset/" + token, func(http.ResponseWriter, *http.Request) {}, "//_gate//reset/…", 200, 0},
		{"a mailed token behind an escape", "/%5Fgate/reset/" + token, func(http.ResponseWriter, *http.Request) {}, "/%5Fgate/reset/…", 200, 0},
		{"a mailed token in absolute form", "http://crm.example.com/_gate/reset/" + token, func(http.ResponseWriter, *http.Request) {}, "http://crm.example.com/_gate/reset/…", 200, 0},
		{"an account id", "/_gate/admin/users/0123456789abcdef0123456789abcdef", func(http.ResponseWriter, *http.Request) {}, "/_gate/admin/users/0123456789abcdef0123456789abcdef", 200, 0},
		{"a long path", "/" + strings.Repeat("a", 600), func(http.ResponseWriter, *http.Request) {}, "/" + strings.Repeat("a", 511) + "…", 200, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log bytes.Buffer
			h := middleware.Origin(nil, middleware.AccessLog(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), "/_gate", tc.handler))
			r := httptest.NewRequest("GET", tc.target, nil)
			r.Header.Set("Cookie", "crmgate_session=verysecret")
			func() {
				defer func() { recover() }()
				h.ServeHTTP(httptest.NewRecorder(), r)
			}()
			var line map[string]any
			if err := json.Unmarshal(log.Bytes(), &line); err != nil {
				t.Fatalf("%v: %s", err, log.String())
			}
			if line["path"] != tc.path || line["status"] != tc.status || line["bytes"] != tc.bytes || line["address"] != "192.0.2.1" || len(line["reference"].(string)) != 32 {
				t.Errorf("%v", line)
			}
			for _, secret := range []string{"secret", token} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("%q is logged", secret)
				}
			}
		})
	}
}

func TestAccessLogOff(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(*httptest.ResponseRecorder); !ok {
			t.Errorf("the writer is wrapped: %T", w)
		}
	})
	quiet := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for _, log := range []*slog.Logger{nil, quiet} {
		middleware.AccessLog(log, "/_gate", next).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}
}

func TestSecureHeaders(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Add("Cache-Control", "private") })
	for _, strict := range []string{"", "max-age=1"} {
		for range 2 { // the second answer must not see what the first added
			w := httptest.NewRecorder()
			middleware.SecureHeaders(strict, next).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			h := w.Header()
			if csp := h.Get("Content-Security-Policy"); csp != "default-src 'none'; base-uri 'none'; frame-ancestors 'none'" {
				t.Errorf("an answer that is no page may load something: %q", csp)
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY"} {
				if h.Get(name) != want {
					t.Errorf("%s: %q", name, h.Get(name))
				}
			}
			if got := h["Cache-Control"]; len(got) != 2 || got[0] != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
			if got := h.Get("Strict-Transport-Security"); got != strict {
				t.Errorf("Strict-Transport-Security %q, want %q", got, strict)
			}
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	public, _ := url.Parse("https://crm.example.com")
	for _, tc := range []struct {
		name, method, path string
		header             http.Header
		passed             bool
	}{
		{"own form", "POST", "/_gate/sign-in", http.Header{"Sec-Fetch-Site": {"same-origin"}}, true},
		{"typed address", "GET", "/_gate/sign-in", http.Header{"Sec-Fetch-Site": {"none"}}, true},
		{"link from elsewhere", "GET", "/_gate/sign-in", http.Header{"Sec-Fetch-Site": {"cross-site"}}, true},
		{"form from elsewhere", "POST", "/_gate/sign-out", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.test"}}, false},
		{"form of a sibling", "POST", "/_gate/sign-out", http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://wiki.example.com"}}, false},
		{"old browser, elsewhere", "POST", "/_gate/sign-out", http.Header{"Origin": {"https://evil.test"}}, false},
		{"old browser, sandboxed", "POST", "/_gate/sign-out", http.Header{"Origin": {"null"}}, false},
		{"old browser, our name in front", "POST", "/_gate/sign-out", http.Header{"Origin": {"https://crm.example.com.evil.test"}}, false},
		{"old browser, own form", "POST", "/_gate/sign-in", http.Header{"Origin": {"https://crm.example.com"}}, true},
		{"program", "POST", "/_gate/scim/v2/Users", nil, true},
		{"form from elsewhere, only a Referer", "POST", "/_gate/sign-out", http.Header{"Referer": {"https://evil.test/x"}}, false},
		{"a Referer that is none", "POST", "/_gate/sign-out", http.Header{"Referer": {"%"}}, false},
		{"own form, only a Referer", "POST", "/_gate/sign-out", http.Header{"Referer": {"https://crm.example.com/_gate/sign-out"}}, true},
		{"exempt, only a Referer", "POST", "/_gate/callback/apple", http.Header{"Referer": {"https://idp.test/"}}, true},
		{"exempt", "POST", "/_gate/callback/apple", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://idp.test"}}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, w, passed := &failing{}, httptest.NewRecorder(), false
			h, err := middleware.CrossOrigin(public, f, []string{"POST /_gate/callback/{provider}"}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true }))
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(tc.method, tc.path, nil)
			r.Host = "internal:8080" // a proxy in front rewrote it
			if tc.header != nil {
				r.Header = tc.header
			}
			h.ServeHTTP(w, r)
			if passed != tc.passed || fault.Is(f.err, fault.Forbidden) == tc.passed {
				t.Errorf("passed %v, failed with %v", passed, f.err)
			}
		})
	}
}
