package app

import (
	"net/http/httptest"
	"strings"
	"testing"
)

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
