package sqlstore_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/mail"
	"crmgate/internal/realtest"
	"crmgate/internal/sqlstore"
	"crmgate/internal/token"
)

// letters renders every mail with a link in it.
type letters struct{}

const secretLink = "https://crm.example/_gate/reset/AbCdEf"

func (letters) RenderMail(template string, data any) (string, string, string, error) {
	return template, fmt.Sprintln(data, secretLink), "", nil
}

// logSink is a log to read. Safe for concurrent use.
type logSink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logSink) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logSink) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// process is a gateway's mail sender on a store.
func newProcess(t *testing.T, d *sqlstore.DB, port int, sealer *token.Sealer) (*mail.Sender, *logSink) {
	t.Helper()
	log := &logSink{}
	return &mail.Sender{
		Config:   mail.Config{From: "no-reply@crm.example", SMTP: mail.SMTPConfig{Host: "127.0.0.1", Port: port, Security: "none"}},
		Renderer: letters{}, Store: d, Sealer: sealer, Grace: time.Second, Log: slog.New(slog.NewTextHandler(log, nil)),
	}, log
}

// start runs a sender until stop.
func start(t *testing.T, s *mail.Sender) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(stop)
	return stop
}

// freePort is a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	_, port, err := net.SplitHostPort(realtest.Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newSealer(t *testing.T) *token.Sealer {
	t.Helper()
	s, err := token.NewSealer(token.NewSealKey(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func queue(t *testing.T, d *sqlstore.DB) mail.Backlog {
	t.Helper()
	all, err := d.ListMails(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return mail.BacklogOf(all)
}

// A mail outlives the process that queued it; what lies in the database opens nothing, and is gone when the mail has gone.
func TestMailSurvivesTheProcess(t *testing.T) {
	box := realtest.Mailbox(t)
	dir, sealer := t.TempDir(), newSealer(t)
	d := open(t, sqlstore.Config{}.Default(), dir)
	first, _ := newProcess(t, d, box.PlainPort, sealer)
	if err := first.Send(t.Context(), mail.Message{To: "ann@example.test", Template: "reset_local", Data: "Ann"}); err != nil {
		t.Fatal(err)
	}
	var stored string
	if err := d.Raw().QueryRowContext(t.Context(), "SELECT content FROM mails").Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if stored == "" || strings.Contains(stored, "AbCdEf") {
		t.Errorf("stored content %q", stored)
	}
	d.Close() // the process is killed before it sends anything

	d = open(t, sqlstore.Config{}.Default(), dir)
	second, log := newProcess(t, d, box.PlainPort, sealer)
	stop := start(t, second)
	m := box.Wait(t, "ann@example.test", 1)[0]
	if !strings.Contains(m.Text, secretLink) || m.Subject != "reset_local" {
		t.Errorf("mail %q: %s", m.Subject, m.Text)
	}
	stop()
	if q := queue(t, d); q != (mail.Backlog{}) {
		t.Errorf("queue %+v after sending", q)
	}
	if strings.Contains(log.String(), "AbCdEf") {
		t.Errorf("log tells the link:\n%s", log)
	}
}

// Three replicas share a queue: every mail goes out once.
func TestReplicasSendOnce(t *testing.T) {
	box := realtest.Mailbox(t)
	dir, sealer := t.TempDir(), newSealer(t)
	const n = 30
	for i := range 3 {
		s, _ := newProcess(t, open(t, sqlstore.Config{}.Default(), dir), box.PlainPort, sealer)
		start(t, s)
		for j := range n / 3 {
			if err := s.Send(t.Context(), mail.Message{To: fmt.Sprintf("p%d-%d@example.test", i, j), Template: "x"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 3 {
		for j := range n / 3 {
			box.Wait(t, fmt.Sprintf("p%d-%d@example.test", i, j), 1)
		}
	}
	if got := len(box.Messages("")); got != n {
		t.Errorf("%d mails arrived of %d", got, n)
	}
}

// A mail server that is away delays; the next process goes on where this one stopped.
func TestMailServerAway(t *testing.T) {
	box := realtest.Mailbox(t)
	d, sealer := openFile(t), newSealer(t)
	away, log := newProcess(t, d, freePort(t), sealer)
	stop := start(t, away)
	if err := away.Send(t.Context(), mail.Message{To: "ann@example.test", Template: "x"}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !strings.Contains(log.String(), "tried again") && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	all, err := d.ListMails(t.Context())
	if err != nil || len(all) != 1 || all[0].Tries != 1 || !strings.Contains(all[0].Reason, "refused") || !all[0].DeadAt.IsZero() {
		t.Fatalf("queue %+v, %v", all, err)
	}
	back, _ := newProcess(t, d, box.PlainPort, sealer)
	start(t, back)
	box.Wait(t, "ann@example.test", 1)
}

// A mail that is of no use any more is not sent, one that nobody can read is not either, and both are seen.
func TestMailsGivenUp(t *testing.T) {
	box := realtest.Mailbox(t)
	tests := []struct {
		name   string
		m      mail.Message
		sealed *token.Sealer
		reason string
	}{
		{name: "expired", m: mail.Message{Expires: time.Now().Add(-time.Second)}, reason: "expired"},
		{name: "sealed by another", sealed: newSealer(t), reason: "unreadable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, sealer := openFile(t), newSealer(t)
			sends, log := newProcess(t, d, box.PlainPort, sealer)
			queues, _ := newProcess(t, d, box.PlainPort, sealer)
			if tt.sealed != nil {
				queues.Sealer = tt.sealed
			}
			tt.m.To, tt.m.Template = "ann@example.test", "x"
			if err := queues.Send(t.Context(), tt.m); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			sends.Run(ctx)
			all, err := d.ListMails(t.Context())
			if err != nil || len(all) != 1 || all[0].Reason != tt.reason || all[0].DeadAt.IsZero() {
				t.Errorf("queue %+v, %v", all, err)
			}
			if !strings.Contains(log.String(), "given up") || len(box.Messages("")) != 0 {
				t.Errorf("%d mails, log %s", len(box.Messages("")), log)
			}
		})
	}
}

// The command line sends at once; where the server is away the mail waits for the gateway, where it refuses for good the administrator hears it.
func TestDirectFallsBackToTheQueue(t *testing.T) {
	box := realtest.Mailbox(t)
	d, sealer := openFile(t), newSealer(t)
	at, _ := newProcess(t, d, box.PlainPort, sealer)
	if err := (mail.Direct{Sender: at}).Send(t.Context(), mail.Message{To: "ann@example.test", Template: "x"}); err != nil || queue(t, d).Waiting != 0 {
		t.Errorf("at once: %v, queue %+v", err, queue(t, d))
	}
	box.Wait(t, "ann@example.test", 1)
	away, log := newProcess(t, d, freePort(t), sealer)
	if err := (mail.Direct{Sender: away}).Send(t.Context(), mail.Message{To: "bob@example.test", Template: "x"}); err != nil || queue(t, d).Waiting != 1 {
		t.Errorf("server away: %v, queue %+v", err, queue(t, d))
	}
	if !strings.Contains(log.String(), "waits until a running gateway") {
		t.Errorf("log %s", log)
	}
}
