package mail

import (
	"crypto/x509"
	"fmt"
	"net/mail"
	"net/netip"
	"os"
	"strings"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// The words of SMTPConfig.Security.
const (
	startTLS    = "starttls"
	implicitTLS = "tls"
	noTLS       = "none"
)

// Config is the `mail` section.
type Config struct {
	// From is an address with an optional name.
	From string     `json:"from" jsonschema:"Sender of all mails, such as \"CRM sign-in <no-reply@example.com>\"."`
	SMTP SMTPConfig `json:"smtp"`
}

// SMTPConfig is `mail.smtp`.
type SMTPConfig struct {
	// Host is empty when mail is off.
	Host string `json:"host" jsonschema:"Name of the mail server; empty turns mail off."`
	Port int    `json:"port" jsonschema:"Port of the mail server, usually 587 (starttls) or 465 (tls)."`
	// Security is "starttls", "tls" or "none".
	Security     string       `json:"security" jsonschema:"starttls, tls (from the first byte) or none (only for a relay on this machine)."`
	Username     string       `json:"username" jsonschema:"Account at the mail server; empty sends without signing in."`
	Password     token.Secret `json:"password"`
	PasswordFile string       `json:"password_file"`
	// CAFile is a PEM file of authorities to trust beside the system's. It is read at every delivery.
	CAFile string `json:"ca_file" jsonschema:"PEM file of authorities to trust beside the system's."`
}

// Default returns the section's defaults.
func (Config) Default() Config { return Config{SMTP: SMTPConfig{Port: 587, Security: startTLS}} }

// Enabled reports whether mail can be sent.
func (c Config) Enabled() bool { return c.SMTP.Host != "" }

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var p fault.Problems
	switch _, err := c.sender(); {
	case c.From == "" && c.Enabled():
		p.Add("from", "Set it to an address that the mail server may send from, such as \"CRM sign-in <no-reply@example.com>\".", "mails need a sender")
	case c.From != "" && err != nil:
		p.Add("from", "Write an address, or \"Name <address>\".", "%q is no sender: %v", c.From, err)
	}
	return append(p, c.SMTP.validate().Under("smtp")...)
}

func (c SMTPConfig) validate() fault.Problems {
	var p fault.Problems
	if strings.ContainsAny(c.Host, " \t\r\n/@[]") || strings.Count(c.Host, ":") == 1 {
		p.Add("host", "Write the name alone, such as smtp.example.com; the port has its own key.", "%q is no host name", c.Host)
	}
	if c.Port < 1 || c.Port > 65535 {
		p.Add("port", "Usual are 587 with starttls and 465 with tls.", "%d is no port", c.Port)
	}
	switch c.Security {
	case startTLS, implicitTLS:
	case noTLS:
		if c.Username != "" {
			p.Add("security", "Use starttls or tls, or leave username and password out.", "a password would travel unprotected")
		}
		if c.Host != "" && !loopback(c.Host) {
			p = append(p, fault.Problem{Path: "security", Warning: true, Message: "mails with sign-in links travel unprotected to another machine",
				Hint: "Use starttls or tls."})
		}
	default:
		p.Add("security", "Use starttls, tls or none.", "%q is no way to protect the connection", c.Security)
	}
	switch {
	case c.Username != "" && c.Password == "":
		p.Add("password", "Set password or password_file, or leave username out.", "the username has no password")
	case c.Username == "" && c.Password != "":
		p.Add("username", "Set username, or leave the password out.", "the password has no username")
	}
	if c.CAFile != "" {
		if _, err := c.authorities(); err != nil {
			p.Add("ca_file", "Give a readable file of PEM certificates.", "%v", err)
		}
	}
	return p
}

// sender parses From.
func (c Config) sender() (*mail.Address, error) {
	a, err := mail.ParseAddress(c.From)
	if err != nil {
		return nil, err
	}
	if err := CheckAddress(a.Address); err != nil {
		return nil, err
	}
	if strings.ContainsFunc(a.Name, control) {
		return nil, fmt.Errorf("the name has a control character")
	}
	return a, nil
}

// Address is the bare address of From, empty where mail is off.
func (c Config) Address() string {
	a, err := c.sender()
	if err != nil || !c.Enabled() {
		return ""
	}
	return a.Address
}

// authorities returns the system's authorities and those of CAFile.
func (c SMTPConfig) authorities() (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if c.CAFile == "" {
		return pool, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", c.CAFile)
	}
	return pool, nil
}

// loopback reports whether host is this machine.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
