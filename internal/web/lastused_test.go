package web_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"crmgate/internal/signin"
)

func TestLastUsed(t *testing.T) {
	enc := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	tests := []struct {
		name, value string
		shown       bool
	}{
		{"provider", enc("contoso ann@contoso.com"), true},
		{"local", enc("local pat"), true},
		{"provider that is gone", enc("gone ann@contoso.com"), false},
		{"no identifier", enc("contoso "), false},
		{"line break", enc("contoso a\r\nb"), false},
		{"no text", enc("contoso \xff"), false},
		{"one word", enc("contoso"), false},
		{"not base64", "%%%", false},
		{"too long", enc("contoso " + strings.Repeat("a", 2000)), false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := httptest.NewRequest("GET", "/_gate/sign-in", nil)
			r.AddCookie(&http.Cookie{Name: "crmgate_last", Value: tt.value})
			rec := httptest.NewRecorder()
			w.Routes().ServeHTTP(rec, r)
			if got := strings.Contains(rec.Body.String(), "Last time you signed in"); rec.Code != 200 || got != tt.shown {
				t.Errorf("%d, shown %v; want %v", rec.Code, got, tt.shown)
			}
		})
	}
}

// Whoever comes from the sign-in page of their own device does not type their name again.
func TestLastUsedFillsInTheReset(t *testing.T) {
	for _, tt := range []struct {
		name, used string
		username   bool
		want       string
	}{
		{"address", "contoso ann@contoso.com", false, "ann@contoso.com"},
		{"user name", "local pat", false, "pat"},
		{"user name where an address is asked for", "local pat", true, ""},
		{"nothing", "gone ann@contoso.com", false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.Reset.RequireUsername = tt.username
			rec := w.do("GET", "/_gate/reset", "", func(r *http.Request) {
				r.AddCookie(&http.Cookie{Name: "crmgate_last", Value: base64.RawURLEncoding.EncodeToString([]byte(tt.used))})
			})
			if got := parse(t, rec.Body.String()).one(t, "input[name=identifier]").attr["value"]; got != tt.want {
				t.Errorf("field holds %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLastUsedIsKeptAndForgotten(t *testing.T) {
	w := newWorld(t)
	w.flow.step = signin.Step{Kind: signin.StepDone, URL: "/", Used: signin.Way{Provider: "contoso", Identifier: "ann@contoso.com"}}
	rec := w.do("POST", "/_gate/sign-in/password", "identifier=ann&password=x")
	kept := rec.Result().Cookies()
	if len(kept) != 1 || kept[0].Name != "crmgate_last" || kept[0].Path != "/_gate/" || !kept[0].HttpOnly || kept[0].MaxAge < 1 {
		t.Fatalf("cookies = %v", kept)
	}
	r := httptest.NewRequest("GET", "/_gate/sign-in?switch=1", nil)
	r.AddCookie(kept[0])
	rec = httptest.NewRecorder()
	w.Routes().ServeHTTP(rec, r)
	if gone := rec.Result().Cookies(); len(gone) != 1 || gone[0].MaxAge >= 0 || strings.Contains(rec.Body.String(), "Last time") {
		t.Errorf("after not you: cookies = %v", gone)
	}
}
