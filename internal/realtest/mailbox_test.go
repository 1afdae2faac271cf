package realtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/realtest"
)

const twoParts = "From: CRM <crm@example.test>\r\nTo: alice@example.test\r\nSubject: =?utf-8?q?Neues_Passwort_f=C3=BCr_Alice?=\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"Gr=C3=BC=C3=9Fe https://crm.example.test/_gate/reset/=\r\nabc\r\n.dot\r\n" +
	"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+R3LDvMOfZTwv\r\nYj4=\r\n--b--\r\n"

// sender sends one mail the way the case asks.
type sender struct {
	port               int
	startTLS, implicit bool
	username, password string
}

func (s sender) send(t *testing.T, caFile, to string) error {
	t.Helper()
	pem, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	conf := &tls.Config{ServerName: "localhost", RootCAs: pool}
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
	if err != nil {
		t.Fatal(err)
	}
	if s.implicit {
		conn = tls.Client(conn, conf)
	}
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	defer c.Close()
	if s.startTLS {
		if err := c.StartTLS(conf); err != nil {
			return err
		}
	}
	if s.username != "" {
		if err := c.Auth(smtp.PlainAuth("", s.username, s.password, "localhost")); err != nil {
			return err
		}
	}
	if err := errors.Join(c.Mail("crm@example.test"), c.Rcpt(to)); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(strings.ReplaceAll(twoParts, "alice@", to[:strings.Index(to, "@")+1]))); err != nil {
		return err
	}
	return errors.Join(w.Close(), c.Quit())
}

func TestMailboxTakesMail(t *testing.T) {
	box := realtest.Mailbox(t)
	for name, s := range map[string]sender{
		"starttls": {port: box.Port, startTLS: true, username: box.Username, password: box.Password},
		"tls":      {port: box.TLSPort, implicit: true, username: box.Username, password: box.Password},
		"plain":    {port: box.PlainPort},
	} {
		t.Run(name, func(t *testing.T) {
			to := name + "@example.test"
			if err := s.send(t, box.CAFile, to); err != nil {
				t.Fatal(err)
			}
			m := box.Wait(t, to, 1)[0]
			got := []string{m.From, m.To[0], m.Subject, m.Text, m.HTML, m.Link(t, "/reset/")}
			want := []string{"crm@example.test", to, "Neues Passwort für Alice",
				"Grüße https://crm.example.test/_gate/reset/abc\n.dot", "<b>Grüße</b>", "https://crm.example.test/_gate/reset/abc"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
	if n := len(box.Messages("")); n != 3 {
		t.Errorf("%d messages in all, want 3", n)
	}
}

func TestMailboxRefuses(t *testing.T) {
	box := realtest.Mailbox(t)
	good := sender{port: box.Port, startTLS: true, username: box.Username, password: box.Password}
	tests := []struct {
		name string
		s    sender
		fail int
		code int
	}{
		{name: "no sign-in", s: sender{port: box.Port, startTLS: true}, code: 502},
		{name: "no TLS", s: sender{port: box.Port}, code: 502},
		{name: "wrong password", s: sender{port: box.Port, startTLS: true, username: box.Username, password: "no"}, code: 535},
		{name: "injected failure", s: good, fail: 1, code: 451},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			box.FailNext(tt.fail)
			err := tt.s.send(t, box.CAFile, "bob@example.test")
			var refused *textproto.Error
			if !errors.As(err, &refused) || refused.Code != tt.code {
				t.Errorf("send: %v, want code %d", err, tt.code)
			}
		})
	}
	if n := len(box.Messages("")); n != 0 {
		t.Errorf("%d messages were taken, want none", n)
	}
	if err := good.send(t, box.CAFile, "bob@example.test"); err != nil {
		t.Errorf("after the failures: %v", err)
	}
	if err := good.send(t, realtest.NewCertificate(t).CAFile, "bob@example.test"); err == nil {
		t.Error("a client that trusts another authority sent mail")
	}
}
