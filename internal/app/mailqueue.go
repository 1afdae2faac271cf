package app

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crmgate/internal/mail"
)

// queueTimeout bounds a look at the mail queue; a scrape has no more time.
const queueTimeout = 2 * time.Second

// lateMail is how long a mail may wait before the queue counts as stuck.
const lateMail = 15 * time.Minute

func (c *Core) backlog(ctx context.Context) (mail.Backlog, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	all, err := c.DB.ListMails(ctx)
	return mail.BacklogOf(all), err
}

// mailQueue is the mail queue for Prometheus. It is read at each scrape: all replicas share it.
type mailQueue struct{ core *Core }

var (
	mailsWaiting = prometheus.NewDesc("crmgate_mail_queue_length", "Mails that wait to be sent.", nil, nil)
	mailsOldest  = prometheus.NewDesc("crmgate_mail_queue_oldest_seconds", "Age of the oldest mail that waits to be sent.", nil, nil)
	mailsDead    = prometheus.NewDesc("crmgate_mail_given_up", "Mails given up within the last week.", nil, nil)
)

// Describe implements prometheus.Collector.
func (mailQueue) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{mailsWaiting, mailsOldest, mailsDead} {
		out <- d
	}
}

// Collect implements prometheus.Collector. Where the store does not answer the metrics are missing, and the others still come.
func (q mailQueue) Collect(out chan<- prometheus.Metric) {
	b, err := q.core.backlog(context.Background())
	if err != nil {
		q.core.Log.Warn("mail queue not counted", "error", err)
		return
	}
	age := 0.0
	if b.Waiting > 0 {
		age = max(0, time.Since(b.Oldest).Seconds())
	}
	out <- prometheus.MustNewConstMetric(mailsWaiting, prometheus.GaugeValue, float64(b.Waiting))
	out <- prometheus.MustNewConstMetric(mailsOldest, prometheus.GaugeValue, age)
	out <- prometheus.MustNewConstMetric(mailsDead, prometheus.GaugeValue, float64(b.Dead))
}

// mailIsStuck is a finding of `crmgate check --online`: mails that wait for long, whatever the server says just now.
func (c *Core) mailIsStuck(ctx context.Context) error {
	b, err := c.backlog(ctx)
	if err != nil {
		return err
	}
	if b.Waiting > 0 && time.Since(b.Oldest) > lateMail {
		return fmt.Errorf("%d mails wait, the oldest since %s", b.Waiting, b.Oldest.UTC().Format("2 January 2006, 15:04 UTC"))
	}
	return nil
}
