package mail_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/mail"
)

// stub is a mail server that misbehaves: it answers each command by its first word from replies, "250 ok" otherwise, and keeps what
// it heard. An empty reply is silence.
type stub struct {
	port    int
	replies map[string]string

	mu    sync.Mutex
	heard []string
}

func newStub(t *testing.T, replies map[string]string) *stub {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{port: l.Addr().(*net.TCPAddr).Port, replies: replies}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *stub) serve(c net.Conn) {
	defer c.Close()
	io.WriteString(c, "220 stub\r\n")
	in := bufio.NewScanner(c)
	body := false
	for in.Scan() {
		line := in.Text()
		s.mu.Lock()
		s.heard = append(s.heard, line)
		s.mu.Unlock()
		word, _, _ := strings.Cut(line, " ")
		switch {
		case body && line != ".":
			continue
		case body:
			body, word = false, "."
		}
		reply, known := s.replies[word]
		switch {
		case known && reply == "":
			continue
		case !known && word == "DATA":
			reply, body = "354 go on", true
		case !known:
			reply = "250 ok"
		}
		io.WriteString(c, reply+"\r\n")
	}
}

func (s *stub) count(prefix string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, line := range s.heard {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func TestSenderMeetsOddServers(t *testing.T) {
	tests := []struct {
		name    string
		replies map[string]string
		tries   int    // MAIL commands
		log     string // must stand in the log
	}{
		{name: "refused for good", replies: map[string]string{"RCPT": "550 5.1.1 no such user"}, tries: 1, log: "mail refused"},
		{name: "put off", replies: map[string]string{"RCPT": "451 later"}, tries: 3, log: "given up"},
		{name: "spam filter quotes the link", replies: map[string]string{".": "554 5.7.1 rejected " + secretLink + " listed"}, tries: 1, log: "mail refused"},
		{name: "taken and then confused", replies: map[string]string{"RSET": "421 bye"}, tries: 1, log: "handed over"},
		{name: "sign-off refused", replies: map[string]string{"QUIT": "500 never"}, tries: 1, log: "handed over"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := newStub(t, tt.replies)
			s, log := newSender(server.port)
			run(t, s)
			if err := s.Send(t.Context(), mail.Message{To: "ann@example.test", Template: "x"}); err != nil {
				t.Fatal(err)
			}
			logged(log, tt.log)
			if !strings.Contains(log.String(), tt.log) || server.count("MAIL") != tt.tries {
				t.Errorf("%d tries, want %d and %q in the log:\n%s", server.count("MAIL"), tt.tries, tt.log, log)
			}
			if strings.Contains(log.String(), "AbCdEf") || strings.Contains(log.String(), "/reset/") {
				t.Errorf("log tells the link:\n%s", log)
			}
			if server.count("EHLO crm.example") == 0 {
				t.Errorf("the sender named itself otherwise: %q", server.heard)
			}
		})
	}
}

func TestSenderNeverSignsInInTheClear(t *testing.T) {
	server := newStub(t, map[string]string{"EHLO": "250-stub\r\n250 AUTH PLAIN LOGIN"})
	for _, security := range []string{"starttls", "none"} {
		s, _ := newSender(server.port)
		s.Config.SMTP.Security, s.Config.SMTP.Username, s.Config.SMTP.Password = security, "crm", "sesame"
		s.Retry = []time.Duration{}
		stop := run(t, s)
		if err := s.Send(t.Context(), mail.Message{To: "ann@example.test", Template: "x"}); err != nil {
			t.Fatal(err)
		}
		stop()
		if n := server.count("AUTH"); n != 0 {
			t.Errorf("%s: the password went out %d times: %q", security, n, server.heard)
		}
		if security == "starttls" && server.count("MAIL") != 0 {
			t.Error("the mail went out in the clear")
		}
	}
}

func TestSenderEndsWithinItsGrace(t *testing.T) {
	server := newStub(t, map[string]string{"MAIL": ""}) // says nothing for ever
	s, log := newSender(server.port)
	s.Grace = 50 * time.Millisecond
	stop := run(t, s)
	for range 2 {
		if err := s.Send(t.Context(), mail.Message{To: "ann@example.test", Template: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(time.Minute); server.count("MAIL") == 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
	if n := strings.Count(log.String(), "given up"); n != 2 {
		t.Errorf("%d lost mails in the log, want 2:\n%s", n, log)
	}
}
