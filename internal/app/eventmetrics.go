package app

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/config"
)

// countedEvents counts security events on their way to the store, so that an alarm can tell a morning on which nobody gets in at one
// provider from a quiet one. Reasons stay in the audit trail: some are words of a provider, and there is no end to those.
type countedEvents struct {
	next   audit.Recorder
	events *prometheus.CounterVec
	// providers are the values that the label may have; every other is none.
	providers map[string]bool
}

func newCountedEvents(next audit.Recorder, cfg *config.Config) *countedEvents {
	c := &countedEvents{next: next, providers: map[string]bool{account.OwnerLocal: true}, events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "crmgate_events_total", Help: "Security events by kind, such as sign_in, sign_in_refused and access_refused, and by provider.",
	}, []string{"kind", "provider"})}
	for _, p := range cfg.Providers {
		c.providers[p.ID] = true
	}
	for id := range c.providers { // a rate needs a first value to grow from
		c.events.WithLabelValues(string(audit.SignIn), id)
		c.events.WithLabelValues(string(audit.SignInRefused), id)
	}
	return c
}

// Record counts an event and passes it on.
func (c *countedEvents) Record(ctx context.Context, e audit.Event) {
	provider := e.Provider
	if !c.providers[provider] {
		provider = ""
	}
	c.events.WithLabelValues(string(e.Kind), provider).Inc()
	c.next.Record(ctx, e)
}
