package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/mail"
	"crmgate/internal/realtest"
)

const secretLink = "https://crm.example.com/_gate/reset/AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCde"

// content is a Renderer whose subject is the template's name.
type content struct{ html string }

func (c content) RenderMail(template string, data any) (string, string, string, error) {
	if template == "broken" {
		return "", "", "", errors.New("template broken")
	}
	return template, fmt.Sprintf("Grüße %v\n%s\n", data, secretLink), c.html, nil
}

// sink is a log that tests read. Safe for concurrent use.
type sink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// newSender returns a sender for the open port, with a log to read.
func newSender(port int) (*mail.Sender, *sink) {
	log, began := &sink{}, time.Now()
	return &mail.Sender{
		Config: mail.Config{
			From: "Crème sign-in <no-reply@crm.example>",
			SMTP: mail.SMTPConfig{Host: "127.0.0.1", Port: port, Security: "none"},
		},
		Renderer: content{html: "<p>Grüße</p>"},
		Retry:    []time.Duration{10 * time.Millisecond, 20 * time.Millisecond},
		Grace:    20 * time.Second,
		Log:      slog.New(slog.NewTextHandler(log, nil)),
		Now:      func() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).Add(time.Since(began)) },
	}, log
}

// logged waits until the log says something, or a minute.
func logged(log *sink, text string) {
	for end := time.Now().Add(time.Minute); !strings.Contains(log.String(), text) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}

// run starts the sender and ends it with the test, or at once when the returned function is called.
func run(t *testing.T, s *mail.Sender) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

func TestSenderDelivers(t *testing.T) {
	box := realtest.Mailbox(t)
	tests := []struct {
		name   string
		config func(*mail.SMTPConfig)
	}{
		{name: "starttls", config: func(c *mail.SMTPConfig) { c.Security, c.Port = "starttls", box.Port }},
		{name: "tls", config: func(c *mail.SMTPConfig) { c.Security, c.Port = "tls", box.TLSPort }},
		{name: "none", config: func(c *mail.SMTPConfig) {
			*c = mail.SMTPConfig{Host: "127.0.0.1", Port: box.PlainPort, Security: "none"}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, log := newSender(0)
			s.Config.SMTP = mail.SMTPConfig{Host: "localhost", Username: box.Username, Password: "smtp-test-password", CAFile: box.CAFile}
			tt.config(&s.Config.SMTP)
			if err := s.Ping(t.Context()); err != nil {
				t.Fatalf("ping: %v", err)
			}
			run(t, s)
			to := tt.name + "@example.test"
			if err := s.Send(t.Context(), mail.Message{To: to, Template: "Grüße", Data: "Ann"}); err != nil {
				t.Fatal(err)
			}
			m := box.Wait(t, to, 1)[0]
			got := []string{m.From, m.Subject, m.Text, m.HTML, m.Header.Get("Date")[:len("Sun, 01 Mar 2026 09:")], m.Header.Get("Auto-Submitted"),
				m.Header.Get("User-Agent"), m.Header.Get("X-Mailer"), m.Header.Get("To")}
			want := []string{"no-reply@crm.example", "Grüße", "Grüße Ann\n" + secretLink + "\n", "<p>Grüße</p>", "Sun, 01 Mar 2026 09:",
				"auto-generated", "", "", "<" + to + ">"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			if id := m.Header.Get("Message-Id"); !strings.HasSuffix(id, "@crm.example>") {
				t.Errorf("message id %s", id)
			}
			if strings.Contains(log.String(), "AbCdEf") || strings.Contains(log.String(), "smtp-test-password") {
				t.Errorf("log tells a secret:\n%s", log)
			}
		})
	}
}

func TestSenderRefusesToSendInTheClear(t *testing.T) {
	box := realtest.Mailbox(t)
	tests := []struct {
		name   string
		config mail.SMTPConfig
	}{
		{name: "server without STARTTLS", config: mail.SMTPConfig{Port: box.PlainPort, Security: "starttls", CAFile: box.CAFile}},
		{name: "strange authority", config: mail.SMTPConfig{Port: box.Port, Security: "starttls"}},
		{name: "strange authority at once", config: mail.SMTPConfig{Port: box.TLSPort, Security: "tls"}},
		{name: "wrong word for TLS demands TLS", config: mail.SMTPConfig{Port: box.PlainPort, Security: "opportunistic", CAFile: box.CAFile}},
		{name: "no sign-in without TLS", config: mail.SMTPConfig{Port: box.Port, Security: "none", Username: box.Username, Password: "smtp-test-password"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := newSender(0)
			tt.config.Host = "127.0.0.1"
			s.Config.SMTP, s.Retry = tt.config, []time.Duration{}
			stop := run(t, s)
			if err := s.Send(t.Context(), mail.Message{To: "ann@example.test", Template: "x"}); err != nil {
				t.Fatal(err)
			}
			stop()
			if n := len(box.Messages("")); n != 0 {
				t.Errorf("%d mails arrived", n)
			}
			if tt.config.Security != "none" {
				if err := s.Ping(t.Context()); err == nil {
					t.Error("ping is content")
				}
			}
		})
	}
}

func TestSenderTriesAgain(t *testing.T) {
	box := realtest.Mailbox(t)
	s, log := newSender(box.PlainPort)
	run(t, s)
	box.FailNext(2)
	if err := s.Send(t.Context(), mail.Message{To: "ann@example.test", Template: "x"}); err != nil {
		t.Fatal(err)
	}
	box.Wait(t, "ann@example.test", 1)
	if n := strings.Count(log.String(), "tried again"); n != 2 {
		t.Errorf("%d tries told of in the log, want 2:\n%s", n, log)
	}
}

func TestSenderOneLateMailDelaysNoOther(t *testing.T) {
	box := realtest.Mailbox(t)
	s, _ := newSender(box.PlainPort)
	s.Retry = []time.Duration{time.Hour}
	stop := run(t, s)
	box.FailNext(1)
	for _, to := range []string{"late@example.test", "next@example.test"} {
		if err := s.Send(t.Context(), mail.Message{To: to, Template: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	box.Wait(t, "next@example.test", 1)
	stop()
	if n := len(box.Messages("late@example.test")); n != 1 {
		t.Errorf("%d late mails at the end, want the last try to bring 1", n)
	}
}

func TestSenderGivesUp(t *testing.T) {
	box := realtest.Mailbox(t)
	s, log := newSender(box.PlainPort)
	run(t, s)
	box.FailNext(3)
	if err := s.Send(t.Context(), mail.Message{To: "ann@example.test", Template: "x"}); err != nil {
		t.Fatal(err)
	}
	logged(log, "given up")
	if !strings.Contains(log.String(), "tries=3") || len(box.Messages("")) != 0 {
		t.Errorf("want three tries and no mail:\n%s", log)
	}
}

func TestSenderDrainsAtTheEnd(t *testing.T) {
	box := realtest.Mailbox(t)
	s, _ := newSender(box.PlainPort)
	for i := range 5 {
		if err := s.Send(t.Context(), mail.Message{To: fmt.Sprintf("p%d@example.test", i), Template: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the command line: send, then run only to empty the queue
	s.Run(ctx)
	if n := len(box.Messages("")); n != 5 {
		t.Errorf("%d mails arrived, want 5", n)
	}
	if err := s.Send(t.Context(), mail.Message{To: "late@example.test", Template: "x"}); err == nil {
		t.Error("a mail after the end was taken, and nobody will deliver it")
	}
}

func TestSendRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*mail.Sender)
		m      mail.Message
	}{
		{name: "bad recipient", m: mail.Message{To: "ann@example.test\r\nRCPT TO:<eve@evil.test>", Template: "x"}},
		{name: "two recipients", m: mail.Message{To: "ann@example.test,eve@evil.test", Template: "x"}},
		{name: "no recipient", m: mail.Message{Template: "x"}},
		{name: "broken template", m: mail.Message{To: "ann@example.test", Template: "broken"}},
		{name: "no subject", m: mail.Message{To: "ann@example.test", Template: "\r\n"}},
		{name: "no server", change: func(s *mail.Sender) { s.Config.SMTP.Host = "" }, m: mail.Message{To: "ann@example.test", Template: "x"}},
		{name: "no sender", change: func(s *mail.Sender) { s.Config.From = "" }, m: mail.Message{To: "ann@example.test", Template: "x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := newSender(1)
			if tt.change != nil {
				tt.change(s)
			}
			err := s.Send(t.Context(), tt.m)
			if err == nil {
				t.Fatal("taken")
			}
			if strings.Contains(err.Error(), "AbCdEf") {
				t.Errorf("error tells the token: %v", err)
			}
		})
	}
}

func TestSendNeverBlocks(t *testing.T) {
	s, _ := newSender(1) // nobody runs it
	for i := range 10_000 {
		if err := s.Send(t.Context(), mail.Message{To: "ann@example.test", Template: "x"}); err != nil {
			if i < 100 {
				t.Fatalf("mail %d: %v", i, err)
			}
			return
		}
	}
	t.Error("ten thousand mails were taken")
}

func TestHeadersCannotBeInjected(t *testing.T) {
	box := realtest.Mailbox(t)
	s, _ := newSender(box.PlainPort)
	run(t, s)
	evil := "Hello\r\nBcc: eve@evil.test\r\n\r\nbody\u2028x\x00"
	if err := s.Send(t.Context(), mail.Message{To: "ann@example.test", Template: evil}); err != nil {
		t.Fatal(err)
	}
	m := box.Wait(t, "ann@example.test", 1)[0]
	if m.Subject != "Hello Bcc: eve@evil.test body x" {
		t.Errorf("subject %q", m.Subject)
	}
	if m.Header.Get("Bcc") != "" || len(m.To) != 1 || !strings.Contains(m.Text, "Grüße") {
		t.Errorf("injected: to %v, header %v, text %q", m.To, m.Header, m.Text)
	}
}
