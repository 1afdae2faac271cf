package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"crmgate/internal/proxy"
)

// upstreamMetrics tells how the CRM's addresses do. The values are read when somebody asks for them.
type upstreamMetrics struct {
	upstreams                             []*proxy.Upstream
	inFlight, healthy, requests, failures *prometheus.Desc
	retries                               *prometheus.Desc
}

func newUpstreamMetrics(upstreams []*proxy.Upstream) *upstreamMetrics {
	each := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("crmgate_upstream_"+name, help, []string{"upstream", "url"}, nil)
	}
	return &upstreamMetrics{
		upstreams: upstreams,
		inFlight:  each("in_flight", "Requests and tunnels under way at an address of the CRM."),
		healthy:   each("healthy", "1 while requests are sent to an address of the CRM, 0 while it is passed over."),
		requests:  each("requests_total", "Requests sent to an address of the CRM."),
		failures:  each("failures_total", "Requests without an answer, or with one that says not now (502, 503, 504)."),
		retries: prometheus.NewDesc("crmgate_upstream_retries_total", "Requests that were tried again at another address.",
			[]string{"upstream"}, nil),
	}
}

// Describe names the metrics.
func (m *upstreamMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.inFlight, m.healthy, m.requests, m.failures, m.retries} {
		out <- d
	}
}

// Collect reads the metrics.
func (m *upstreamMetrics) Collect(out chan<- prometheus.Metric) {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	for _, u := range m.upstreams {
		id := u.Config().ID
		endpoints, retries := u.Status()
		for _, e := range endpoints {
			healthy := 0.0
			if e.Healthy {
				healthy = 1
			}
			out <- prometheus.MustNewConstMetric(m.inFlight, gauge, float64(e.InFlight), id, e.URL)
			out <- prometheus.MustNewConstMetric(m.healthy, gauge, healthy, id, e.URL)
			out <- prometheus.MustNewConstMetric(m.requests, counter, float64(e.Requests), id, e.URL)
			out <- prometheus.MustNewConstMetric(m.failures, counter, float64(e.Failures), id, e.URL)
		}
		out <- prometheus.MustNewConstMetric(m.retries, counter, float64(retries), id)
	}
}
