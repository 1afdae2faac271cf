package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"time"

	"crmgate/internal/config"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Online tries what the configuration names (store, providers, mail server, CRM) and returns a finding for each that does not
// work. Nothing is changed but the database's schema, which the next start would bring up to date as well.
func Online(ctx context.Context, cfg *config.Config, log *slog.Logger) []config.Finding {
	c, err := OpenCore(ctx, cfg, log)
	if err != nil {
		return []config.Finding{{Path: "storage", Message: "does not work: " + err.Error(), Hint: "the gateway does not start without it"}}
	}
	defer func() {
		if err := c.Close(); err != nil {
			log.Warn("close stores", "error", err)
		}
	}()
	return c.probe(ctx)
}

// probe is one thing to try.
type probe struct {
	path, hint string
	try        func(context.Context) error
	// warning is true where the error is no fault but something to know, in words that stand by themselves.
	warning bool
}

// probe tries everything at once, each for ten seconds at most.
func (c *Core) probe(ctx context.Context) []config.Finding {
	probes := []probe{{path: "storage", hint: "is the database running?", try: c.DB.Ping}}
	if c.redis != nil {
		probes = append(probes, probe{path: "redis", hint: "is Redis running, and are user and password right?", try: c.redis.Ping})
	}
	for i, p := range c.Realms.All() {
		if pinger, ok := p.(identity.Pinger); ok {
			probes = append(probes, probe{path: fmt.Sprintf("providers[%d]", i), hint: "can this machine reach it, and is its certificate trusted?", try: pinger.Ping})
		}
	}
	if c.Mail != nil {
		probes = append(probes, probe{path: "mail.smtp", hint: "check host, port, security and credentials", try: c.Mail.Ping},
			probe{path: "mail", hint: "'crmgate mail list' says why", try: c.mailIsStuck})
	}
	for i, u := range c.Config.Upstreams {
		for j, raw := range u.URLs {
			at := fmt.Sprintf("upstreams[%d].urls[%d]", i, j)
			probes = append(probes, probe{path: at, hint: "is the CRM running?", try: dialer(raw)})
			if guarded := u.TLS.CertFile != "" || u.Identity.SecretHeader.Name != ""; guarded {
				probes = append(probes, probe{path: at, warning: true, try: sideDoor(u, raw),
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
			if probes[i].warning {
				f.Message, f.Warning = err.Error(), true
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

// dialer tries to open a connection to an address of the CRM; what the CRM says is its own business.
func dialer(raw string) func(context.Context) error {
	return func(ctx context.Context) error {
		u, err := url.Parse(raw)
		if err != nil {
			return err
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "h2c": "80", "https": "443"}[u.Scheme]
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
