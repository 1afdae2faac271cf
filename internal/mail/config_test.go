package mail_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/mail"
	"crmgate/internal/realtest"
)

func TestConfigValidate(t *testing.T) {
	cert := realtest.NewCertificate(t)
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*mail.Config)
		want   []string // paths, with "?" after that of a warning
	}{
		{name: "complete", change: func(*mail.Config) {}},
		{name: "defaults are off", change: func(c *mail.Config) { *c = c.Default() }},
		{name: "sender without server", change: func(c *mail.Config) { c.SMTP = mail.Config{}.Default().SMTP }},
		{name: "bare sender", change: func(c *mail.Config) { c.From = "no-reply@example.com" }},
		{name: "no sender", change: func(c *mail.Config) { c.From = "" }, want: []string{"from"}},
		{name: "sender is no address", change: func(c *mail.Config) { c.From = "CRM" }, want: []string{"from"}},
		{name: "sender is no plain address", change: func(c *mail.Config) { c.From = `"a@b"@example.com` }, want: []string{"from"}},
		{name: "sender injects", change: func(c *mail.Config) { c.From = "a@example.com\r\nBcc: eve@evil.test" }, want: []string{"from"}},
		{name: "host with port", change: func(c *mail.Config) { c.SMTP.Host = "smtp.example.com:25" }, want: []string{"smtp.host"}},
		{name: "host is an address of the web", change: func(c *mail.Config) { c.SMTP.Host = "smtp://x" }, want: []string{"smtp.host"}},
		{name: "host is IPv6", change: func(c *mail.Config) { c.SMTP.Host = "::1" }},
		{name: "no port", change: func(c *mail.Config) { c.SMTP.Port = 0 }, want: []string{"smtp.port"}},
		{name: "port too high", change: func(c *mail.Config) { c.SMTP.Port = 65536 }, want: []string{"smtp.port"}},
		{name: "unknown security", change: func(c *mail.Config) { c.SMTP.Security = "STARTTLS" }, want: []string{"smtp.security"}},
		{name: "empty security", change: func(c *mail.Config) { c.SMTP.Security = "" }, want: []string{"smtp.security"}},
		{name: "password in the clear", change: func(c *mail.Config) { c.SMTP.Security, c.SMTP.Host = "none", "127.0.0.1" }, want: []string{"smtp.security"}},
		{name: "relay on this machine", change: func(c *mail.Config) {
			c.SMTP = mail.SMTPConfig{Host: "localhost", Port: 25, Security: "none"}
		}},
		{name: "relay elsewhere", change: func(c *mail.Config) {
			c.SMTP = mail.SMTPConfig{Host: "relay.example.com", Port: 25, Security: "none"}
		}, want: []string{"smtp.security?"}},
		{name: "no password", change: func(c *mail.Config) { c.SMTP.Password = "" }, want: []string{"smtp.password"}},
		{name: "no username", change: func(c *mail.Config) { c.SMTP.Username = "" }, want: []string{"smtp.username"}},
		{name: "authority", change: func(c *mail.Config) { c.SMTP.CAFile = cert.CAFile }},
		{name: "authority missing", change: func(c *mail.Config) { c.SMTP.CAFile = "/nonexistent.pem" }, want: []string{"smtp.ca_file"}},
		{name: "authority is junk", change: func(c *mail.Config) { c.SMTP.CAFile = junk }, want: []string{"smtp.ca_file"}},
		{name: "all at once", change: func(c *mail.Config) {
			*c = mail.Config{SMTP: mail.SMTPConfig{Host: "a b", Username: "u"}}
		}, want: []string{"from", "smtp.host", "smtp.port", "smtp.security", "smtp.password"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mail.Config{}.Default()
			c.From = "CRM sign-in <no-reply@example.com>"
			c.SMTP.Host, c.SMTP.Username, c.SMTP.Password = "smtp.example.com", "crm", "open sesame"
			tt.change(&c)
			var got []string
			for _, p := range c.Validate() {
				if p.Hint == "" || p.Message == "" || strings.Contains(p.Message+p.Hint, "sesame") {
					t.Errorf("problem %+v", p)
				}
				if p.Warning {
					p.Path += "?"
				}
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}
