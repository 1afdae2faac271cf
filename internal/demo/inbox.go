package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	// maxMessages is how many mails the inbox keeps.
	maxMessages = 200
	// maxMessageBytes is the largest mail it takes.
	maxMessageBytes = 1 << 20
)

// Inbox is an SMTP server on a loopback port that keeps what it gets, and a handler that shows it below /mail.
type Inbox struct {
	// Home is where the pages lead back to; OpenInbox sets "/".
	Home string

	listener net.Listener
	server   *smtp.Server
	pages    *pages
	mux      http.Handler
	now      func() time.Time

	mu       sync.Mutex // guards what follows
	messages []Message  // oldest first
	nextID   int
	arrived  chan struct{} // closed and replaced when a mail comes
}

// OpenInbox starts the server on a free port of 127.0.0.1. A nil clock is time.Now.
func OpenInbox(now func() time.Time) (*Inbox, error) {
	if now == nil {
		now = time.Now
	}
	p, err := newPages("mail", now, "list", "message")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for mail: %w", err)
	}
	i := &Inbox{Home: "/", listener: l, pages: p, now: now, nextID: 1, arrived: make(chan struct{})}
	i.mux = i.routes()
	i.server = smtp.NewServer(i)
	i.server.Domain = "localhost"
	i.server.MaxMessageBytes = maxMessageBytes
	i.server.MaxRecipients = 50
	i.server.ReadTimeout = time.Minute
	i.server.WriteTimeout = time.Minute
	i.server.EnableSMTPUTF8 = true
	i.server.ErrorLog = quiet{}
	go func() {
		// Serve ends when Close closes the listener; there is nothing else to tell.
		_ = i.server.Serve(l)
	}()
	return i, nil
}

// quiet keeps broken connections, which tests make on purpose, off the demo's screen.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

func (quiet) Println(...any) {}

// Addr returns host and port of the SMTP server.
func (i *Inbox) Addr() string { return i.listener.Addr().String() }

// Close stops the SMTP server; what came stays readable.
func (i *Inbox) Close() error { return i.server.Close() }

// Messages returns what came, newest first.
func (i *Inbox) Messages() []Message {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := slices.Clone(i.messages)
	slices.Reverse(out)
	return out
}

// Wait returns the newest message that matches, as soon as there is one, or the context's error.
func (i *Inbox) Wait(ctx context.Context, match func(Message) bool) (Message, error) {
	for {
		i.mu.Lock()
		arrived := i.arrived
		i.mu.Unlock()
		for _, m := range i.Messages() {
			if match(m) {
				return m, nil
			}
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return Message{}, fmt.Errorf("wait for mail: %w", ctx.Err())
		}
	}
}

func (i *Inbox) get(id int) (Message, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if n := slices.IndexFunc(i.messages, func(m Message) bool { return m.ID == id }); n >= 0 {
		return i.messages[n], true
	}
	return Message{}, false
}

func (i *Inbox) add(m Message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	m.ID = i.nextID
	i.nextID++
	i.messages = append(i.messages, m)
	if len(i.messages) > maxMessages {
		i.messages = slices.Delete(i.messages, 0, len(i.messages)-maxMessages)
	}
	close(i.arrived)
	i.arrived = make(chan struct{})
}

// NewSession implements smtp.Backend.
func (i *Inbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &delivery{inbox: i}, nil }

// delivery is one SMTP conversation.
type delivery struct {
	inbox *Inbox
	to    []string
}

func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = append(d.to, to)
	return nil
}

func (d *delivery) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err // go-smtp answers with its own error only where it is not wrapped
	}
	m, err := parseMessage(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "Not a mail: " + err.Error()}
	}
	m.At, m.Recipients = d.inbox.now(), slices.Clone(d.to)
	d.inbox.add(m)
	return nil
}

func (d *delivery) Reset() { d.to = nil }

func (d *delivery) Logout() error { return nil }
