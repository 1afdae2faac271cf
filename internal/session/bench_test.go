package session_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"crmgate/internal/session"
	"crmgate/internal/token"
)

// BenchmarkLookup is the hot path: what every request to the CRM pays.
func BenchmarkLookup(b *testing.B) {
	f := newFake()
	m := &session.Manager{Store: f, Config: session.Config{}.Default(), Secure: true}
	w := httptest.NewRecorder()
	if _, err := m.Start(w, request(), session.Session{AccountID: "a"}); err != nil {
		b.Fatal(err)
	}
	hit := httptest.NewRequest("GET", "/", nil)
	hit.Header.Set("Cookie", "session_id=8c0ff9be36a64d61f5b0a1c3; "+w.Result().Cookies()[0].Name+"="+w.Result().Cookies()[0].Value+"; tz=Europe/Vienna")
	unknown := httptest.NewRequest("GET", "/", nil)
	unknown.Header.Set("Cookie", fmt.Sprintf("%s=%s.%s", m.CookieName(), token.NewID(), token.NewSecret()))
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s, err := m.Lookup(hit); s == nil || err != nil {
				b.Fatal(s, err)
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s, err := m.Lookup(unknown); s != nil || err != nil {
				b.Fatal(s, err)
			}
		}
	})
	b.Run("none", func(b *testing.B) {
		b.ReportAllocs()
		r := request()
		for b.Loop() {
			if s, err := m.Lookup(r); s != nil || err != nil {
				b.Fatal(s, err)
			}
		}
	})
}
