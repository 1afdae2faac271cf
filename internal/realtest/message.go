package realtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
	"testing"
)

// Message is a mail as it arrived.
type Message struct {
	// From and To are the envelope's addresses.
	From string
	To   []string
	// Header is the message's own, undecoded; Subject is decoded.
	Header  mail.Header
	Subject string
	// Text and HTML are the decoded bodies with "\n" line ends; empty if the mail has no such part.
	Text, HTML string
	// Raw is every byte of the message.
	Raw []byte
}

var link = regexp.MustCompile(`https?://[^\s<>"]+`)

// Link returns the first web address in the text body that contains part.
func (m Message) Link(t testing.TB, part string) string {
	t.Helper()
	for _, found := range link.FindAllString(m.Text, -1) {
		if strings.Contains(found, part) {
			return found
		}
	}
	t.Fatalf("mail %q to %v has no link with %q:\n%s", m.Subject, m.To, part, m.Text)
	return ""
}

func parseMessage(raw []byte) (Message, error) {
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Message{}, fmt.Errorf("read message: %w", err)
	}
	m := Message{Header: parsed.Header, Raw: raw}
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); err != nil {
		return Message{}, fmt.Errorf("decode subject: %w", err)
	}
	return m, m.addPart(parsed.Header.Get, parsed.Body)
}

// addPart decodes one part, and the parts inside it, into Text and HTML; attachments are left in Raw.
func (m *Message) addPart(header func(string) string, body io.Reader) error {
	kind := header("Content-Type")
	if kind == "" {
		kind = "text/plain"
	}
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		return fmt.Errorf("read content type %q: %w", kind, err)
	}
	if strings.HasPrefix(media, "multipart/") {
		return m.addParts(multipart.NewReader(body, params["boundary"]))
	}
	switch strings.ToLower(header("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("decode %s: %w", media, err)
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	switch {
	case strings.HasPrefix(header("Content-Disposition"), "attachment"):
	case media == "text/plain":
		m.Text += text
	case media == "text/html":
		m.HTML += text
	}
	return nil
}

func (m *Message) addParts(parts *multipart.Reader) error {
	for {
		part, err := parts.NextRawPart() // raw: NextPart would undo quoted-printable on its own and hide the header
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read part: %w", err)
		}
		if err := m.addPart(part.Header.Get, part); err != nil {
			return err
		}
	}
}
