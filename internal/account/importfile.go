package account

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// The formats of a file of people.
const (
	FormatCSV      = "csv"
	FormatHtpasswd = "htpasswd"
)

// importColumns are those of a CSV file; its first line names them in any order, and email must be among them.
var importColumns = []string{"email", "username", "name", "groups", "password_hash"}

// ImportOptions say how a file is read.
type ImportOptions struct {
	// Format is FormatCSV or FormatHtpasswd; empty is told by the file's first line.
	Format string
	// Domain makes addresses of htpasswd's names that are none: ann becomes ann@Domain with the username ann. May be empty.
	Domain string
	// DryRun says what would become of everybody and writes nothing.
	DryRun bool
	// Actor is who imports, for the audit trail.
	Actor string
}

// ImportedLine is what became of one line.
type ImportedLine struct {
	Line   int          `json:"line"`
	Email  string       `json:"email"`
	Result ImportResult `json:"result"`
}

// ImportFault is what is wrong with one line and what to do about it, without any text that could be a secret.
type ImportFault struct {
	Line     int    `json:"line"`
	Sentence string `json:"sentence"`
}

// Error is the sentence behind its line.
func (f *ImportFault) Error() string { return fmt.Sprintf("line %d: %s", f.Line, f.Sentence) }

// ImportReport is what came of a file.
type ImportReport struct {
	Format string `json:"format"`
	DryRun bool   `json:"dry_run"`
	// Written is how many accounts were made or given a password.
	Written int            `json:"written"`
	Lines   []ImportedLine `json:"lines"`
	Faults  []*ImportFault `json:"faults"`
}

// ImportFile imports everybody in a CSV or htpasswd file. It looks at every line first and writes nothing where one has a fault: the report
// then names them all, and error is nil. An error after that leaves those in who were written, and running it again does the rest.
func (s *Service) ImportFile(ctx context.Context, in io.Reader, o ImportOptions) (ImportReport, error) {
	report := ImportReport{DryRun: o.DryRun, Format: o.Format, Lines: []ImportedLine{}, Faults: []*ImportFault{}}
	if !s.Config.Enabled {
		return report, errLocalOff
	}
	lines, format, err := openImport(in, o)
	report.Format = format
	if f := (*ImportFault)(nil); errors.As(err, &f) {
		report.Faults = append(report.Faults, f)
		return report, nil
	}
	if err != nil {
		return report, err
	}
	todo, err := s.checkFile(ctx, lines, &report, o.Actor)
	if err != nil || len(report.Faults) > 0 || o.DryRun {
		return report, err
	}
	for _, who := range todo {
		if err := s.bringIn(ctx, who); err != nil {
			return report, fault.Wrap(fault.KindOf(err), fmt.Sprintf("The import stopped at %s, after %d others. Run it again: it goes on from there.", who.inv.Email, report.Written), err)
		}
		report.Written++
	}
	return report, nil
}

// checkFile looks at every line and returns whoever is to be written.
func (s *Service) checkFile(ctx context.Context, lines importReader, report *ImportReport, actor string) ([]importable, error) {
	var todo []importable
	seen := map[string]int{} // by address and username, which share one name space
	for {
		line, u, err := lines.next()
		if errors.Is(err, io.EOF) {
			return todo, nil
		}
		var who importable
		if err == nil {
			u.Actor = actor
			who, err = s.checkImport(ctx, u)
		}
		if err == nil {
			err = twice(seen, line, who.inv)
		}
		var f *fault.Error
		var bad *ImportFault
		switch {
		case errors.As(err, &bad):
			report.Faults = append(report.Faults, bad)
			continue
		case errors.As(err, &f) && (f.Kind == fault.Invalid || f.Kind == fault.Conflict):
			report.Faults = append(report.Faults, &ImportFault{Line: line, Sentence: f.Sentence})
			continue
		case err != nil:
			return nil, err
		}
		report.Lines = append(report.Lines, ImportedLine{Line: line, Email: who.inv.Email, Result: who.result})
		if who.result != ImportThere {
			todo = append(todo, who)
		}
	}
}

// twice refuses a line whose address or username an earlier one has.
func twice(seen map[string]int, line int, inv Invitation) error {
	for _, name := range []string{inv.Email, inv.Username} {
		if first, ok := seen[name]; ok {
			return &ImportFault{Line: line, Sentence: fmt.Sprintf("%s stands in line %d already. Keep one of the two.", name, first)}
		}
	}
	for _, name := range []string{inv.Email, inv.Username} {
		if name != "" {
			seen[name] = line
		}
	}
	return nil
}

// importReader reads a file one person at a time. A line that cannot be read is an *ImportFault, after which it goes on; the end is io.EOF.
type importReader interface {
	next() (line int, u ImportedUser, err error)
}

// openImport finds out what a file is.
func openImport(in io.Reader, o ImportOptions) (importReader, string, error) {
	buffered := bufio.NewReaderSize(in, 64<<10)
	head, err := buffered.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, o.Format, fmt.Errorf("read file: %w", err)
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return nil, o.Format, &ImportFault{Line: 1, Sentence: "The file is UTF-16. Save it as CSV in UTF-8."}
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		head = head[3:]
		if _, err := buffered.Discard(3); err != nil {
			return nil, o.Format, err
		}
	}
	var first string
	for first = range strings.Lines(string(head)) {
		if text := strings.TrimSpace(first); text != "" && text[0] != '#' {
			break
		}
	}
	if o.Format == "" {
		o.Format = FormatCSV
		if strings.Contains(first, ":") && !strings.Contains(strings.ToLower(first), "email") {
			o.Format = FormatHtpasswd
		}
	}
	if o.Format == FormatHtpasswd {
		return &htpasswdLines{scan: bufio.NewScanner(buffered), domain: strings.TrimPrefix(o.Domain, "@")}, o.Format, nil
	}
	r, err := openCSV(buffered, first)
	return r, o.Format, err
}

// htpasswdLines reads "user:hash".
type htpasswdLines struct {
	scan   *bufio.Scanner
	domain string
	line   int
}

func (h *htpasswdLines) next() (int, ImportedUser, error) {
	for h.scan.Scan() {
		h.line++
		text := strings.TrimSpace(h.scan.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		name, hash, ok := strings.Cut(text, ":")
		if !ok || name == "" || hash == "" {
			return h.line, ImportedUser{}, &ImportFault{Line: h.line, Sentence: "This is not user:hash. Correct the line or take it out."}
		}
		u := ImportedUser{Email: name, Hash: hash}
		if !strings.Contains(name, "@") {
			if h.domain == "" {
				return h.line, u, &ImportFault{Line: h.line, Sentence: "The user is no mail address. With --domain example.com, ann becomes ann@example.com and may still sign in as ann."}
			}
			u.Email, u.Username = name+"@"+h.domain, name
		}
		return h.line, u, nil
	}
	if err := h.scan.Err(); err != nil {
		return h.line, ImportedUser{}, fmt.Errorf("read line %d: %w", h.line+1, err)
	}
	return h.line, ImportedUser{}, io.EOF
}

// csvLines reads rows below a line that names the columns.
type csvLines struct {
	r       *csv.Reader
	columns []string
}

func openCSV(in io.Reader, first string) (*csvLines, error) {
	c := &csvLines{r: csv.NewReader(in)}
	c.r.FieldsPerRecord, c.r.ReuseRecord, c.r.TrimLeadingSpace = -1, true, true
	if strings.Contains(first, ";") && !strings.Contains(first, ",") {
		c.r.Comma = ';' // what spreadsheets write where the comma is the decimal sign
	}
	wrong := func(sentence string) (*csvLines, error) {
		return nil, &ImportFault{Line: 1, Sentence: sentence + " The first line names the columns: " + strings.Join(importColumns, ",") + "; all but email may be left out."}
	}
	row, err := c.r.Read()
	if errors.Is(err, io.EOF) {
		return wrong("The file is empty.")
	}
	if bad := (*csv.ParseError)(nil); errors.As(err, &bad) {
		return wrong("The quotes do not match.")
	}
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	for _, name := range row {
		name = strings.NewReplacer(" ", "_", "-", "_").Replace(identity.Normalize(name))
		if !slices.Contains(importColumns, name) {
			// Not shown: without a line of names it is the first person's.
			return wrong("There is a column that crmgate does not know.")
		}
		if slices.Contains(c.columns, name) {
			return wrong("The column " + name + " stands there twice.")
		}
		c.columns = append(c.columns, name)
	}
	if !slices.Contains(c.columns, "email") {
		return wrong("The column email is missing.")
	}
	return c, nil
}

func (c *csvLines) next() (int, ImportedUser, error) {
	for {
		row, err := c.r.Read()
		if bad := (*csv.ParseError)(nil); errors.As(err, &bad) {
			return bad.StartLine, ImportedUser{}, &ImportFault{Line: bad.StartLine, Sentence: `The quotes do not match. A " inside a field is written twice, and the field stands between quotes.`}
		}
		if err != nil {
			return 0, ImportedUser{}, err
		}
		line, _ := c.r.FieldPos(0)
		if !slices.ContainsFunc(row, func(s string) bool { return strings.TrimSpace(s) != "" }) {
			continue
		}
		if len(row) != len(c.columns) {
			return line, ImportedUser{}, &ImportFault{Line: line, Sentence: fmt.Sprintf("There are %d fields, and the first line names %d. "+
				"A field with the separator in it, such as an argon2 hash, stands between quotes.", len(row), len(c.columns))}
		}
		if !slices.ContainsFunc(row, func(s string) bool { return !utf8.ValidString(s) }) {
			return line, c.person(row), nil
		}
		return line, ImportedUser{}, &ImportFault{Line: line, Sentence: "There are letters that are not UTF-8. Save the file as CSV in UTF-8."}
	}
}

func (c *csvLines) person(row []string) (u ImportedUser) {
	for i, text := range row {
		text = strings.TrimSpace(text)
		switch c.columns[i] {
		case "email":
			u.Email = text
		case "username":
			u.Username = text
		case "name":
			u.Name = text
		case "groups":
			u.Groups = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' })
		case "password_hash":
			u.Hash = text
		}
	}
	return u
}
