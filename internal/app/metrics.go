package app

import "github.com/prometheus/client_golang/prometheus"

// metrics counts what the parts of the gateway report. The parts know nothing of the library: they call a function.
type metrics struct {
	checks, logouts *prometheus.CounterVec
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &metrics{
		checks: counter("crmgate_session_checks_total", "Questions to providers about live sessions, by outcome: confirmed, refused, unanswered, "+
			"put_off, lapsed, nothing_to_ask, failed.", "provider", "outcome"),
		logouts: counter("crmgate_provider_logouts_total", "Sign-outs that providers told us of, by channel.", "provider", "channel"),
	}
}

func (m *metrics) register(r prometheus.Registerer) { r.MustRegister(m.checks, m.logouts) }

func (m *metrics) check(provider, outcome string) { m.checks.WithLabelValues(provider, outcome).Inc() }

func (m *metrics) logout(provider, channel string) {
	m.logouts.WithLabelValues(provider, channel).Inc()
}
