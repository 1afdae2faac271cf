package demo_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/smtp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/wneessen/go-mail"

	"crmgate/internal/demo"
)

func openInbox(t *testing.T) *demo.Inbox {
	t.Helper()
	i, err := demo.OpenInbox(func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// send delivers a mail whose lines end in \n.
func send(t *testing.T, i *demo.Inbox, raw string) {
	t.Helper()
	if err := deliver(i, raw); err != nil {
		t.Fatal(err)
	}
}

func deliver(i *demo.Inbox, raw string) error {
	return smtp.SendMail(i.Addr(), nil, "no-reply@example.com", []string{"dora@partner.example"}, []byte(strings.ReplaceAll(raw, "\n", "\r\n")))
}

const link = "http://127.0.0.1:8080/_gate/reset/abc_-9"

const resetMail = `From: CRM sign-in <no-reply@example.com>
To: Dora Lund <dora@partner.example>
Subject: =?utf-8?q?Neues_Passwort_f=C3=BCr_Lantern?=
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=xx

--xx
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Hello D=C3=B6ra, open
` + "http://127.0.0.1:8080/_gate/res=\net/abc_-9" + `.
<b>
--xx
Content-Type: text/html; charset=utf-8

<!doctype html><html><head lang=en><title>x</title></head><body><a href="` + link + `">Go</a></body></html>
--xx--
`

func TestInboxShowsMail(t *testing.T) {
	i := openInbox(t)
	for path, refresh := range map[string]string{"/mail": "3", "/mail?still": ""} {
		if w := get(i, path, nil); !strings.Contains(w.Body.String(), "No mail yet") || w.Header().Get("Refresh") != refresh {
			t.Errorf("empty inbox %s: Refresh %q: %s", path, w.Header().Get("Refresh"), w.Body)
		}
	}
	send(t, i, resetMail)
	want := []demo.Message{{
		ID: 1, At: noon, From: "CRM sign-in <no-reply@example.com>", To: "Dora Lund <dora@partner.example>",
		Recipients: []string{"dora@partner.example"}, Subject: "Neues Passwort für Lantern",
		Text: "Hello Döra, open\n" + link + ".\n<b>", Links: []string{link},
	}}
	if d := cmp.Diff(want, i.Messages(), cmpopts.IgnoreFields(demo.Message{}, "HTML", "Raw")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	t.Run("list", func(t *testing.T) {
		w := get(i, "/mail", nil)
		if !strings.Contains(w.Body.String(), "Neues Passwort für Lantern") || !strings.Contains(w.Body.String(), `href="/mail/1"`) {
			t.Errorf("body %s", w.Body)
		}
		whole(t, w.Body.String())
	})
	t.Run("JSON", func(t *testing.T) {
		w := get(i, "/mail", http.Header{"Accept": {"application/json"}})
		var got []map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0]["subject"] != "Neues Passwort für Lantern" || got[0]["text"] != want[0].Text {
			t.Errorf("got %v", got)
		}
		if d := cmp.Diff([]any{link}, got[0]["links"]); d != "" {
			t.Error(d)
		}
	})
	t.Run("message", func(t *testing.T) {
		w := get(i, "/mail/1", nil)
		b := w.Body.String()
		for _, want := range []string{`<a href="` + link + `">` + link + `</a>.`, "&lt;b&gt;", `<iframe src="/mail/1/html" sandbox="allow-top-navigation-by-user-activation"`} {
			if !strings.Contains(b, want) {
				t.Errorf("no %q in %s", want, b)
			}
		}
		if w.Header().Get("Refresh") != "" {
			t.Error("a mail that is being read refreshes itself")
		}
	})
	t.Run("HTML", func(t *testing.T) {
		w := get(i, "/mail/1/html", nil)
		if !strings.Contains(w.Body.String(), `<head lang=en><base target="_top"><title>`) {
			t.Errorf("body %s", w.Body)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "sandbox allow-top-navigation-by-user-activation;") || strings.Contains(policy, "allow-scripts") || strings.Contains(policy, "allow-same-origin") {
			t.Errorf("policy %q", policy)
		}
	})
	t.Run("source", func(t *testing.T) {
		w := get(i, "/mail/1/raw", nil)
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || !strings.Contains(w.Body.String(), "boundary=xx") {
			t.Errorf("%s: %s", w.Header().Get("Content-Type"), w.Body)
		}
	})
	for _, path := range []string{"/mail/2", "/mail/x", "/mail/1/other", "/mail/2/html", "/contacts"} {
		if w := get(i, path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

func TestParsing(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	for _, tt := range []struct{ name, raw, text, html string }{
		{"no headers of content", "Subject: x\n\nplain\n", "plain\n", ""},
		{"dots", "Subject: x\n\n.\n..dots\n", ".\n..dots\n", ""},
		{"html alone", "Subject: x\nContent-Type: text/html\n\n<p>Hi\n", "", "<p>Hi\n"},
		{"base64", "Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: BASE64\n\n" + b64([]byte("grüß")) + "\n", "grüß", ""},
		{"latin 1", "Subject: x\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\ngr=FC=DF\n", "grüß\n", ""},
		{"unknown charset", "Subject: x\nContent-Type: text/plain; charset=klingon\n\nok\n", "ok\n", ""},
		{"broken utf-8", "Subject: x\nContent-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\na=FFb", "a�b\n", ""},
		{"nested, with an attachment first", "Subject: x\nContent-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/plain\nContent-Disposition: attachment; filename=n.txt\n\nattached\n--a\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\ninner\n--b\nContent-Type: text/html\n\n<p>\n--b--\n--a\nContent-Type: image/png\n\nx\n--a--\n", "inner", "<p>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := openInbox(t)
			send(t, i, tt.raw)
			m := i.Messages()[0]
			if m.Text != tt.text || m.HTML != tt.html {
				t.Errorf("text %q, html %q, want %q and %q", m.Text, m.HTML, tt.text, tt.html)
			}
		})
	}
}

func TestRefusedMail(t *testing.T) {
	i := openInbox(t)
	for _, tt := range []struct{ name, raw, want string }{
		{"no mail at all", "\x01 nothing\n", "554"},
		{"part cut off", "Subject: x\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nhalf", "554"},
		{"too large", "Subject: x\n\n" + strings.Repeat(strings.Repeat("x", 900)+"\n", 1300), "552"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := deliver(i, tt.raw); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
	if n := len(i.Messages()); n != 0 {
		t.Errorf("%d mails were kept", n)
	}
}

func TestLinks(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"none", "Hello", []string{}},
		{"end of a sentence", "Open http://a.example/x.", []string{"http://a.example/x"}},
		{"in brackets", "(https://a.example/x?a=1&b=2)", []string{"https://a.example/x?a=1&b=2"}},
		{"angle brackets", "<https://a.example/>", []string{"https://a.example/"}},
		{"two", "http://a.example/1 and\nhttp://a.example/2!", []string{"http://a.example/1", "http://a.example/2"}},
		{"no web address", "javascript:alert(1) mailto:a@b ftp://x", []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := openInbox(t)
			send(t, i, "Subject: x\n\n"+tt.text)
			if d := cmp.Diff(tt.want, i.Messages()[0].Links); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRealSender sends as the gateway does.
func TestRealSender(t *testing.T) {
	i := openInbox(t)
	host, _, _ := strings.Cut(i.Addr(), ":")
	var port int
	if _, err := fmt.Sscanf(i.Addr(), host+":%d", &port); err != nil {
		t.Fatal(err)
	}
	m := mail.NewMsg()
	if err := m.From("no-reply@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := m.To("dora@partner.example"); err != nil {
		t.Fatal(err)
	}
	m.Subject("Ein schöner Betreff")
	m.SetBodyString(mail.TypeTextPlain, "Offen: "+link+strings.Repeat(" lang", 50)+"\n")
	m.AddAlternativeString(mail.TypeTextHTML, "<p>Öffnen</p>")
	c, err := mail.NewClient(host, mail.WithPort(port), mail.WithTLSPolicy(mail.NoTLS), mail.WithHELO("localhost"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DialAndSendWithContext(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := i.Messages()[0]
	if got.Subject != "Ein schöner Betreff" || len(got.Links) != 1 || got.Links[0] != link || !strings.Contains(got.HTML, "Öffnen") {
		t.Errorf("got %+v", got)
	}
}

func TestWait(t *testing.T) {
	i := openInbox(t)
	second := func(m demo.Message) bool { return m.Subject == "second" }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := i.Wait(ctx, second); err == nil {
		t.Error("a mail that never came was found")
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, subject := range []string{"first", "second"} {
			if err := deliver(i, "Subject: "+subject+"\n\nx\n"); err != nil {
				t.Error(err)
			}
		}
	})
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := i.Wait(ctx, second)
	if err != nil || m.ID != 2 {
		t.Errorf("got %+v, %v", m, err)
	}
	wg.Wait()
}

func TestInboxIsBounded(t *testing.T) {
	i := openInbox(t)
	c, err := smtp.Dial(i.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := range 205 {
		if err := c.Mail("a@example.com"); err != nil {
			t.Fatal(err)
		}
		if err := c.Rcpt("b@example.com"); err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "Subject: %d\r\n\r\nx\r\n", n)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got := i.Messages()
	if len(got) != 200 || got[0].ID != 205 || got[199].ID != 6 || len(got[0].Recipients) != 1 {
		t.Errorf("%d mails, newest %d, oldest %d", len(got), got[0].ID, got[len(got)-1].ID)
	}
}
