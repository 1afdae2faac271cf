package app

import (
	"net/http/httptest"
	"strings"
	"testing"

	"crmgate/internal/audit"
	"crmgate/internal/config"
	"crmgate/internal/provider"
)

func TestCountedEvents(t *testing.T) {
	cfg := &config.Config{Providers: []provider.Config{{ID: "contoso"}}}
	c := newCountedEvents(audit.Discard, cfg)
	a := &App{metrics: newMetrics(), Core: &Core{events: c}}
	c.Record(t.Context(), audit.Event{Kind: audit.SignInRefused, Provider: "contoso", Reason: "unreachable"})
	c.Record(t.Context(), audit.Event{Kind: audit.SignInRefused, Provider: "made-up-by-a-stranger"})
	w := httptest.NewRecorder()
	a.opsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`crmgate_events_total{kind="sign_in",provider="contoso"} 0`, `crmgate_events_total{kind="sign_in",provider="local"} 0`,
		`crmgate_events_total{kind="sign_in_refused",provider="contoso"} 1`, `crmgate_events_total{kind="sign_in_refused",provider=""} 1`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}

func TestMetrics(t *testing.T) {
	a := &App{metrics: newMetrics()}
	a.metrics.check("contoso", "confirmed")
	a.metrics.check("contoso", "confirmed")
	a.metrics.logout("contoso", "back_channel")
	w := httptest.NewRecorder()
	a.opsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`crmgate_session_checks_total{outcome="confirmed",provider="contoso"} 2`,
		`crmgate_provider_logouts_total{channel="back_channel",provider="contoso"} 1`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}
