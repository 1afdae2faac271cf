package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// stepTimeout ends a connection whose server says nothing.
const stepTimeout = 15 * time.Second

// wordLimit is the longest word of a server's answer that is logged whole; every token and link is longer.
const wordLimit = 31

// Ping reaches the server and signs in, without sending.
func (s *Sender) Ping(ctx context.Context) error {
	if !s.Config.Enabled() {
		return errors.New("reach mail server: no mail server is configured")
	}
	ctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	return s.session(ctx, func(*gomail.Client) error { return nil })
}

// deliver hands one mail to the server.
func (s *Sender) deliver(ctx context.Context, msg *gomail.Msg) error {
	return s.session(ctx, func(c *gomail.Client) error {
		err := c.Send(msg)
		if err != nil && msg.IsDelivered() {
			return nil // the server took the mail and stumbled afterwards: sending it again would double it
		}
		return err
	})
}

// session connects, signs in where that is configured, calls f and hangs up. It ends with ctx, whatever the server does.
func (s *Sender) session(ctx context.Context, f func(*gomail.Client) error) error {
	ctx, done := context.WithCancel(ctx)
	defer done() // closes the connection, however the session ends
	cfg := s.Config.SMTP
	pool, err := cfg.authorities()
	if err != nil {
		return err
	}
	conf := &tls.Config{ServerName: cfg.Host, RootCAs: pool, MinVersion: tls.VersionTLS12}
	// Our own dialling, because the library leaves the connection open when the greeting, TLS or the sign-in fails, and does not
	// end a mail under way with its context.
	dial := func(dialing context.Context, _, _ string) (net.Conn, error) {
		raw, err := (&net.Dialer{}).DialContext(dialing, "tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)))
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { raw.Close() })
		if cfg.Security != implicitTLS {
			return raw, nil
		}
		t := tls.Client(raw, conf)
		if err := t.HandshakeContext(dialing); err != nil {
			return nil, err
		}
		return t, nil
	}
	c, err := gomail.NewClient(cfg.Host, s.options(conf, dial)...)
	if err != nil {
		return fmt.Errorf("prepare mail connection: %w", err)
	}
	if err := c.DialWithContext(ctx); err != nil {
		return fmt.Errorf("reach mail server %s:%d: %w", cfg.Host, cfg.Port, err)
	}
	if err := f(c); err != nil {
		return err
	}
	c.Close() // says goodbye; the mail is over either way
	return nil
}

func (s *Sender) options(conf *tls.Config, dial gomail.DialContextFunc) []gomail.Option {
	cfg := s.Config.SMTP
	opts := []gomail.Option{
		gomail.WithPort(cfg.Port), gomail.WithTimeout(stepTimeout), gomail.WithHELO(s.Config.domain()),
		gomail.WithTLSConfig(conf), gomail.WithDialContextFunc(dial),
	}
	switch cfg.Security {
	case noTLS:
		return append(opts, gomail.WithTLSPolicy(gomail.NoTLS)) // and no sign-in, whatever is configured
	case implicitTLS:
		opts = append(opts, gomail.WithSSL())
	default:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if cfg.Username != "" {
		opts = append(opts, gomail.WithUsername(cfg.Username), gomail.WithPassword(cfg.Password.Reveal()),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return opts
}

// domain returns the domain of From, by which the sender names itself.
func (c Config) domain() string {
	if from, err := c.sender(); err == nil {
		if _, domain, ok := strings.Cut(from.Address, "@"); ok {
			return domain
		}
	}
	return "localhost"
}

// permanent reports whether the server refused for good (RFC 5321 section 4.2.1). Everything else may pass: a server that is
// away, a certificate that is being renewed.
func permanent(err error) bool { return status(err) >= 500 }

// status returns the SMTP reply code in err, 0 where there is none.
func status(err error) int {
	var sent *gomail.SendError
	if errors.As(err, &sent) {
		return sent.ErrorCode()
	}
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

// describe is err for the log, without any word that could be a token or a link: servers quote what they refuse.
func describe(err error) string {
	words := strings.Fields(err.Error())
	for i, w := range words {
		if len(w) > wordLimit || strings.Contains(w, "://") {
			words[i] = "[...]"
		}
	}
	return strings.Join(words, " ")
}
