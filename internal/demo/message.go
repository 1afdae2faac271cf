package demo

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"
	"time"

	"golang.org/x/text/encoding/htmlindex"
)

// Message is a mail that came.
type Message struct {
	ID int       `json:"id"`
	At time.Time `json:"received_at"`
	// From and To are the headers, decoded.
	From string `json:"from"`
	To   string `json:"to"`
	// Recipients are the addresses of the envelope.
	Recipients []string `json:"recipients"`
	Subject    string   `json:"subject"`
	// Text and HTML are the two readings; either may be empty.
	Text string `json:"text"`
	HTML string `json:"-"`
	// Links are the addresses in Text, in order.
	Links []string `json:"links"`
	// Raw is the mail as it came.
	Raw string `json:"-"`
}

// maxParts bounds how deep parts lie in parts.
const maxParts = 5

func parseMessage(raw []byte) (Message, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Message{}, fmt.Errorf("parse mail: %w", err)
	}
	out := Message{Subject: header(m.Header, "Subject"), From: header(m.Header, "From"), To: header(m.Header, "To"), Raw: string(raw), Links: []string{}}
	if err := out.walk(textproto.MIMEHeader(m.Header), m.Body, 0); err != nil {
		return Message{}, err
	}
	for _, s := range segments(out.Text) {
		if s.Link != "" {
			out.Links = append(out.Links, s.Link)
		}
	}
	return out, nil
}

// walk takes the first text and the first HTML part it meets.
func (m *Message) walk(h textproto.MIMEHeader, body io.Reader, depth int) error {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind, params = "text/plain", nil // RFC 2045 section 5.2
	}
	if strings.HasPrefix(kind, "multipart/") && depth < maxParts {
		return m.walkParts(multipart.NewReader(body, params["boundary"]), depth)
	}
	into := &m.Text
	switch kind {
	case "text/plain":
	case "text/html":
		into = &m.HTML
	default:
		return nil
	}
	if disposition, _, err := mime.ParseMediaType(h.Get("Content-Disposition")); *into != "" || err == nil && disposition == "attachment" {
		return nil
	}
	*into, err = decodeBody(body, h.Get("Content-Transfer-Encoding"), params["charset"])
	return err
}

func (m *Message) walkParts(parts *multipart.Reader, depth int) error {
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read part: %w", err)
		}
		if err := m.walk(part.Header, part, depth+1); err != nil {
			return err
		}
	}
}

func decodeBody(body io.Reader, encoding, charset string) (string, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	if e, err := htmlindex.Get(charset); err == nil {
		body = e.NewDecoder().Reader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return "", fmt.Errorf("decode body: %w", err)
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "�"), "\r\n", "\n"), nil
}

func header(h mail.Header, name string) string {
	v := h.Get(name)
	if d, err := new(mime.WordDecoder).DecodeHeader(v); err == nil {
		v = d
	}
	return strings.ToValidUTF8(v, "�")
}

// segment is a stretch of text, a link where Link is set.
type segment struct{ Text, Link string }

var linkPattern = regexp.MustCompile(`https?://[^\s<>"']+`)

// segments cuts a text where its links are. The punctuation that ends a sentence is not part of a link.
func segments(text string) []segment {
	var out []segment
	at := 0
	for _, span := range linkPattern.FindAllStringIndex(text, -1) {
		link := strings.TrimRight(text[span[0]:span[1]], ".,;:!?)]}")
		if span[0] > at {
			out = append(out, segment{Text: text[at:span[0]]})
		}
		out = append(out, segment{Text: link, Link: link})
		at = span[0] + len(link)
	}
	if at < len(text) {
		out = append(out, segment{Text: text[at:]})
	}
	return out
}
