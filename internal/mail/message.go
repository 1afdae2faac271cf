package mail

import "time"

// Message is one mail to one person.
type Message struct {
	// To is a bare address.
	To string
	// Template is a name in templates/mail, such as "reset_local".
	Template string
	// Data is what the template shows.
	Data any
	// Expires is when the mail is of no use any more, such as the end of its link; zero is after three days.
	Expires time.Time
}

// Renderer turns a message into its content; page.Pages is one. It is safe for concurrent use.
type Renderer interface {
	RenderMail(template string, data any) (subject, text, html string, err error)
}
