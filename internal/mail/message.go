package mail

import (
	"context"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// Message is one mail to one person.
type Message struct {
	// To is a bare address.
	To string
	// Template is a name in templates/mail, such as "reset_local".
	Template string
	// Data is what the template shows.
	Data any
}

// Renderer turns a message into its content; page.Pages is one.
type Renderer interface {
	RenderMail(template string, data any) (subject, text, html string, err error)
}

// Config is the `mail` section.
type Config struct {
	// From is an address with an optional name. Empty turns mail off.
	From string     `json:"from"`
	SMTP SMTPConfig `json:"smtp"`
}

// SMTPConfig is `mail.smtp`.
type SMTPConfig struct {
	// Host is empty when mail is off.
	Host string `json:"host"`
	Port int    `json:"port"`
	// Security is "starttls", "tls" or "none".
	Security     string       `json:"security"`
	Username     string       `json:"username"`
	Password     token.Secret `json:"password"`
	PasswordFile string       `json:"password_file"`
	// CAFile is a PEM file of authorities to trust beside the system's.
	CAFile string `json:"ca_file"`
}

// Default returns the section's defaults.
func (Config) Default() Config { return Config{SMTP: SMTPConfig{Port: 587, Security: "starttls"}} }

// Validate names every fault.
func (c Config) Validate() fault.Problems { return nil }

// Enabled reports whether mail can be sent.
func (c Config) Enabled() bool { return c.SMTP.Host != "" }

// Sender renders messages and hands them to the SMTP server in the background.
type Sender struct {
	Config   Config
	Renderer Renderer
}

// Send queues a message. It never blocks; a full queue is an error.
func (s *Sender) Send(ctx context.Context, m Message) error { return nil }

// Run delivers queued messages until ctx ends, then tries once more what is left, for as long as grace allows.
func (s *Sender) Run(ctx context.Context) error { return nil }

// Ping reaches the server and signs in, without sending.
func (s *Sender) Ping(ctx context.Context) error { return nil }
