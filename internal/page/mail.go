package page

import (
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"strings"
	"sync"
	texttemplate "text/template"
)

// loadMails finds templates/mail. A mail is a text, and beside it HTML where <name>.html exists. Files whose name begins
// with "_" are parts of others.
func (p *Pages) loadMails(files fs.FS) {
	p.texts = sync.OnceValues(func() (*texttemplate.Template, error) {
		t := texttemplate.New("mail").Funcs(functions())
		if names, err := fs.Glob(files, "mail/*.txt"); err != nil || len(names) == 0 {
			return t, err
		}
		return t.ParseFS(files, "mail/*.txt")
	})
	p.letters = sync.OnceValues(func() (*template.Template, error) {
		t := template.New("mail").Funcs(functions())
		if names, err := fs.Glob(files, "mail/*.html"); err != nil || len(names) == 0 {
			return t, err
		}
		return t.ParseFS(files, "mail/*.html")
	})
}

// RenderMail renders templates/mail/<name>.txt and .html with the same View as pages have (data is .Data); the text's first line
// "Subject: ..." is the subject. A mail without .html has no html.
func (p *Pages) RenderMail(name string, data any) (subject, text, html string, err error) {
	texts, err := p.texts()
	if err != nil {
		return "", "", "", fmt.Errorf("parse mails: %w", err)
	}
	letters, err := p.letters()
	if err != nil {
		return "", "", "", fmt.Errorf("parse mails: %w", err)
	}
	v := p.common
	v.Data = data
	t := texts.Lookup(name + ".txt")
	if t == nil {
		return "", "", "", fmt.Errorf("render mail %s: no such template", name)
	}
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", "", "", fmt.Errorf("render mail %s: %w", name, err)
	}
	first, rest, _ := strings.Cut(strings.TrimLeft(b.String(), "\r\n"), "\n")
	subject, ok := strings.CutPrefix(first, "Subject:")
	// Fields joined by one space: a name with a line break in it must not become a header.
	if subject = strings.Join(strings.Fields(subject), " "); !ok || subject == "" {
		return "", "", "", fmt.Errorf("render mail %s: %w", name, errors.New(`the first line is not "Subject: ..."`))
	}
	text = strings.TrimSpace(rest) + "\n"
	if l := letters.Lookup(name + ".html"); l != nil {
		var b strings.Builder
		if err := l.Execute(&b, v); err != nil {
			return "", "", "", fmt.Errorf("render mail %s: %w", name, err)
		}
		html = b.String()
	}
	return subject, text, html, nil
}
