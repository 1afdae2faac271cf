package realtest

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const mailTimeout = time.Minute // for machines that are busy

// Inbox is a mail server inside the test that keeps what it is given. Safe for concurrent use.
type Inbox struct {
	// Host is 127.0.0.1. Port wants STARTTLS, TLSPort speaks TLS from the first byte; both then want a sign-in. PlainPort
	// takes mail from anyone without either, as a relay on the same machine does.
	Host                     string
	Port, TLSPort, PlainPort int
	// Username and Password are the account that may send.
	Username, Password string
	// CAFile is the authority that the client must trust.
	CAFile string

	mu       sync.Mutex
	messages []Message
	arrived  chan struct{} // closed and replaced at every message
	refuse   int           // recipients still to be put off
}

// Mailbox starts a mail server and closes it when the test ends.
func Mailbox(t testing.TB) *Inbox {
	t.Helper()
	cert := NewCertificate(t)
	pair, err := tls.LoadX509KeyPair(cert.CertFile, cert.KeyFile)
	if err != nil {
		t.Fatalf("start mail server: %v", err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	b := &Inbox{
		Host: "127.0.0.1", Username: "crmgate", Password: "smtp-test-password", CAFile: cert.CAFile,
		arrived: make(chan struct{}),
	}
	submission := newMailServer(b, conf, false)
	b.Port = serveMail(t, submission, nil)
	b.TLSPort = serveMail(t, submission, conf)
	b.PlainPort = serveMail(t, newMailServer(b, nil, true), nil)
	return b
}

// Messages returns what has arrived for one envelope recipient so far, oldest first; an empty address means everybody.
func (b *Inbox) Messages(to string) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.matching(to)
}

// Wait returns the messages for one recipient as soon as there are n of them, and fails the test if they do not come.
func (b *Inbox) Wait(t testing.TB, to string, n int) []Message {
	t.Helper()
	deadline := time.After(mailTimeout)
	for {
		b.mu.Lock()
		got, all, arrived := b.matching(to), len(b.messages), b.arrived
		b.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-arrived:
		case <-deadline:
			t.Fatalf("mail for %s: %d after %s, want %d (%d for anybody)", to, len(got), mailTimeout, n, all)
		}
	}
}

// FailNext puts off the next n recipients with a temporary error (451), as a busy or greylisting server does.
func (b *Inbox) FailNext(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = n
}

func (b *Inbox) matching(to string) []Message {
	var out []Message
	for _, m := range b.messages {
		if to == "" || slices.Contains(m.To, to) {
			out = append(out, m)
		}
	}
	return out
}

func (b *Inbox) take(m Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = append(b.messages, m)
	close(b.arrived)
	b.arrived = make(chan struct{})
}

// putOff reports whether the next recipient is to be refused for now.
func (b *Inbox) putOff() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse == 0 {
		return false
	}
	b.refuse--
	return true
}

func newMailServer(b *Inbox, conf *tls.Config, open bool) *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &delivery{inbox: b, open: open, signedIn: open}, nil
	}))
	s.Domain = "localhost"
	s.TLSConfig = conf
	s.MaxMessageBytes = 1 << 20
	s.ReadTimeout, s.WriteTimeout = time.Minute, time.Minute
	return s
}

// serveMail accepts on a free port, under TLS at once if conf is given, and returns the port.
func serveMail(t testing.TB, s *smtp.Server, conf *tls.Config) int {
	t.Helper()
	l, err := net.Listen("tcp", Addr(t))
	if err != nil {
		t.Fatalf("start mail server: %v", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if conf != nil {
		l = tls.NewListener(l, conf)
	}
	go s.Serve(l)
	t.Cleanup(func() {
		s.Close()
		l.Close() // a second Close of one server reports an error and leaves later listeners open
	})
	return port
}

// delivery is one SMTP connection.
type delivery struct {
	inbox    *Inbox
	open     bool
	signedIn bool
	from     string
	to       []string
}

// AuthMechanisms offers PLAIN, but nothing on the open port. The library offers it only under TLS.
func (d *delivery) AuthMechanisms() []string {
	if d.open {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth checks the one account.
func (d *delivery) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != d.inbox.Username || password != d.inbox.Password {
			return smtp.ErrAuthFailed
		}
		d.signedIn = true
		return nil
	}), nil
}

// Mail begins a message.
func (d *delivery) Mail(from string, _ *smtp.MailOptions) error {
	if !d.signedIn {
		return smtp.ErrAuthRequired
	}
	d.from, d.to = from, nil
	return nil
}

// Rcpt adds a recipient, unless the test wants it put off.
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	if d.inbox.putOff() {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Try again later"}
	}
	d.to = append(d.to, to)
	return nil
}

// Data takes the message; one that cannot be read is refused, so that the sender's test sees it.
func (d *delivery) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := parseMessage(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: strconv.Quote(err.Error())}
	}
	m.From, m.To = d.from, d.to
	d.inbox.take(m)
	return nil
}

// Reset forgets the message under way.
func (d *delivery) Reset() { d.from, d.to = "", nil }

// Logout has nothing to end.
func (d *delivery) Logout() error { return nil }
