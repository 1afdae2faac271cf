package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"crmgate/internal/config"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
	"crmgate/internal/proxy"
)

// Online tries what the configuration names (store, providers, mail server, CRM) and returns a finding for each that does not
// work. Nothing is changed but the database's schema, which the next start would bring up to date as well.
func Online(ctx context.Context, cfg *config.Config, log *slog.Logger) []config.Finding {
	c, err := OpenCore(ctx, cfg, log)
	if err != nil {
		return append([]config.Finding{{Path: part(err), Message: "does not work: " + told(err), Hint: "the gateway does not start without it"}},
			probeWithoutStores(ctx, cfg, log)...)
	}
	defer func() {
		if err := c.Close(); err != nil {
			log.Warn("close stores", "error", err)
		}
	}()
	return c.probe(ctx)
}

// part is the section of the file that is to blame for stores that do not open.
func part(err error) string {
	if p := (partError{}); errors.As(err, &p) {
		return p.part
	}
	return "storage"
}

// probeWithoutStores tries everything else while the stores do not work: on a bad day it is seldom one thing alone.
func probeWithoutStores(ctx context.Context, cfg *config.Config, log *slog.Logger) []config.Finding {
	c := &Core{Config: cfg, Log: log}
	var err error
	if c.Realms, err = c.openProviders(); err != nil {
		return nil // which is what kept the stores from being opened
	}
	if cfg.Mail.Enabled() {
		c.Mail = &mail.Sender{Config: cfg.Mail, Log: log}
	}
	return c.probe(ctx)
}

// probe is one thing to try.
type probe struct {
	path, hint string
	try        func(context.Context) error
	// inFull is true where the error is a whole message in words that stand by themselves.
	inFull bool
	// warning is true where the error is no fault but something to know.
	warning bool
}

// probe tries everything at once, each for ten seconds at most.
func (c *Core) probe(ctx context.Context) []config.Finding {
	var probes []probe
	if c.DB != nil {
		probes = append(probes, probe{path: "storage", hint: "is the database running?", try: c.DB.Ping})
	}
	if c.redis != nil {
		probes = append(probes, probe{path: "redis", hint: "is Redis running, and are user and password right?", try: c.redis.Ping})
	}
	for i, p := range c.Realms.All() {
		if pinger, ok := p.(identity.Pinger); ok {
			probes = append(probes, probe{path: fmt.Sprintf("providers[%d]", i), hint: "can this machine reach it, and is its certificate trusted?", try: pinger.Ping})
		}
		if clocked, ok := p.(identity.Clocked); ok {
			probes = append(probes, probe{path: fmt.Sprintf("providers[%d]", i), hint: clockHint, inFull: true, try: func(ctx context.Context) error {
				then := time.Now()
				date, err := clocked.Clock(ctx)
				if err != nil {
					return nil // the other probe says so
				}
				return skew(date, then, time.Now())
			}})
		}
	}
	if c.Mail != nil {
		probes = append(probes, probe{path: "mail.smtp", hint: "check host, port, security and credentials", try: c.Mail.Ping})
	}
	if c.Mail != nil && c.DB != nil {
		probes = append(probes, probe{path: "mail", hint: "'crmgate mail list' says why", try: c.mailIsStuck})
	}
	for i, u := range c.Config.Upstreams {
		for j, raw := range u.URLs {
			at := fmt.Sprintf("upstreams[%d].urls[%d]", i, j)
			probes = append(probes, probe{path: at, hint: "is the CRM running, and its certificate trusted?", try: crmAnswers(u, raw)},
				probe{path: at, hint: clockHint, inFull: true, warning: true, try: crmClock(u, raw)})
			if guarded := u.TLS.CertFile != "" || u.Identity.SecretHeader.Name != ""; guarded {
				probes = append(probes, probe{path: at, inFull: true, warning: true, try: sideDoor(u, raw),
					hint: "let the CRM refuse requests without the gateway's certificate or secret header, or people can go around the gateway"})
			}
		}
	}
	results := make([]error, len(probes))
	var wg sync.WaitGroup
	for i, p := range probes {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			results[i] = p.try(ctx)
		})
	}
	wg.Wait()
	var findings []config.Finding
	for i, err := range results {
		if err != nil {
			f := config.Finding{Path: probes[i].path, Message: "does not answer: " + cause(err), Hint: probes[i].hint}
			if f.Warning = probes[i].warning; probes[i].inFull {
				f.Message = err.Error()
			}
			findings = append(findings, f)
		}
	}
	return findings
}

// cause is what an administrator needs of an error: not the sentence for the person who wanted to sign in, but what is behind it.
func cause(err error) string {
	if f := (*fault.Error)(nil); errors.As(err, &f) && f.Unwrap() != nil {
		return f.Unwrap().Error()
	}
	return err.Error()
}

// told is what an administrator is told of an error: its sentence where there is one.
func told(err error) string {
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		return f.Sentence
	}
	return err.Error()
}

// crmAnswers asks an address of the CRM as the gateway would. What it says is its own business, but for a health check that fails.
func crmAnswers(cfg proxy.Config, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		reply, err := proxy.Probe(ctx, cfg, address)
		if err == nil && cfg.Health.Path != "" && reply.Status >= http.StatusBadRequest {
			return fmt.Errorf("its health check %s has status %d, so nobody would be sent there", cfg.Health.Path, reply.Status)
		}
		return err
	}
}

const (
	// maxSkew is by how much clocks may differ: our checks of a provider's tokens allow it, and so do most programs that check the assertion.
	maxSkew   = time.Minute
	clockHint = "set the clocks of both machines by the network (NTP)"
)

// crmClock compares the CRM's clock with ours: by a wrong one an assertion is not valid yet, or no longer.
func crmClock(cfg proxy.Config, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		then := time.Now()
		reply, err := proxy.Probe(ctx, cfg, address)
		if err != nil || !cfg.Identity.Assertion.Enabled {
			return nil // nothing there depends on the time
		}
		return skew(reply.Date, then, time.Now())
	}
}

// skew tells how far a clock is off that showed date at some moment between from and to; nil where that does no harm.
func skew(date, from, to time.Time) error {
	if date.IsZero() {
		return nil
	}
	off, way := date.Sub(to), "ahead of"
	if date.Before(from) {
		off, way = from.Sub(date), "behind"
	}
	if off <= maxSkew {
		return nil
	}
	exact := time.Second
	if off > 10*time.Minute { // more likely a time zone or a date; the seconds are those that the question took
		exact = time.Minute
	}
	return fmt.Errorf("its clock is %s %s this machine's: what it signs, or checks, would be refused", off.Round(exact), way)
}
