package page

import (
	"strings"
	"testing"
)

func TestRenderMail(t *testing.T) {
	p, _ := newPages(t, override(t, map[string]string{
		"mail/both.txt":  "Subject: {{.Product}}: hello {{.Data}}\n\nHello {{.Data}},\n<{{.Support.Email}}>\n",
		"mail/both.html": `<p style="background: {{.Color}}; color: {{.OnColor}}">Hello {{.Data}}</p>`,
		"mail/text.txt":  "Subject: Only text\n\nText.\n",
		"mail/none.txt":  "Hello without a subject\n",
		"mail/bad.txt":   "Subject: x\n\n{{.Data.Missing}}",
	}))
	name := "Ann\r\nBcc: evil@example.com <b>"
	subject, text, html, err := p.RenderMail("both", name)
	if err != nil {
		t.Fatal(err)
	}
	if subject != "Example CRM: hello Ann" {
		t.Errorf("subject %q", subject)
	}
	if !strings.Contains(text, "<help@example.com>") || strings.Contains(text, "Subject:") {
		t.Errorf("text %q", text)
	}
	if !strings.Contains(html, "&lt;b&gt;") || !strings.Contains(html, "background: #1f5fbf; color: #ffffff") {
		t.Errorf("html %q", html)
	}
	if _, _, html, err = p.RenderMail("text", nil); err != nil || html != "" {
		t.Errorf("html %q, error %v", html, err)
	}
	for _, name := range []string{"none", "bad", "no_such"} {
		if _, _, _, err := p.RenderMail(name, struct{}{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
