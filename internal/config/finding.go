package config

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"crmgate/internal/fault"
)

// Finding is one fault of a file, or a warning about it.
type Finding struct {
	// File is the file as it was named to Load.
	File string `json:"file"`
	// Line and Column count from 1; 0 means the file as a whole.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path is the place in the file, such as providers[0].client_id.
	Path    string `json:"path"`
	Message string `json:"message"`
	// Hint says what to do; may be empty.
	Hint string `json:"hint,omitempty"`
	// Warning marks a finding that does not keep the gateway from starting.
	Warning bool `json:"warning"`
}

// String returns the finding as one line: crmgate.yaml:12: providers[0].client_id: is missing (hint).
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	b.WriteString(": ")
	if f.Warning {
		b.WriteString("warning: ")
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Message)
	if f.Hint != "" {
		b.WriteString(" (" + f.Hint + ")")
	}
	return b.String()
}

// Report is everything there is to say about one file, sorted by line.
type Report struct {
	// File is the file as it was named to Load.
	File     string
	Findings []Finding

	places  map[string]place
	secrets []string
}

// place is where a value stands in the file.
type place struct{ line, column int }

// Faults counts the findings that keep the gateway from starting.
func (r *Report) Faults() int {
	n := 0
	for _, f := range r.Findings {
		if !f.Warning {
			n++
		}
	}
	return n
}

// OK reports whether the gateway may start with this file.
func (r *Report) OK() bool { return r.Faults() == 0 }

// Add puts findings of somebody else's into the report. One that names a path and no line gets file and line from there.
func (r *Report) Add(findings ...Finding) {
	for _, f := range findings {
		r.put(f)
	}
	r.sort()
}

// maxFindings keeps a hostile file from filling the memory with its faults.
const maxFindings = 1000

// put is Add without the order. What two packages say in the same words is said once.
func (r *Report) put(f Finding) {
	if len(r.Findings) >= maxFindings {
		return
	}
	if f.File == "" {
		f.File = r.File
	}
	if f.Line == 0 && f.Path != "" {
		p := r.find(f.Path)
		f.Line, f.Column = p.line, p.column
	}
	f.Message, f.Hint = r.blot(f.Message), r.blot(f.Hint)
	for _, g := range r.Findings {
		if g.Line == f.Line && g.Path == f.Path && g.Message == f.Message {
			return
		}
	}
	r.Findings = append(r.Findings, f)
}

// putProblems puts the problems whose path is not left out.
func (r *Report) putProblems(problems fault.Problems, leaveOut func(path string) bool) {
	for _, p := range problems {
		if !leaveOut(p.Path) {
			r.put(Finding{Path: p.Path, Message: p.Message, Hint: p.Hint, Warning: p.Warning})
		}
	}
}

// faulty lists the paths of all faults so far.
func (r *Report) faulty() []string {
	var out []string
	for _, f := range r.Findings {
		if !f.Warning {
			out = append(out, f.Path)
		}
	}
	return out
}

// Print writes one line for each finding.
func (r *Report) Print(w io.Writer) error {
	for _, f := range r.Findings {
		if _, err := fmt.Fprintln(w, f); err != nil {
			return fmt.Errorf("print findings: %w", err)
		}
	}
	return nil
}

// find returns the place of a path, or of the nearest thing above it that stands in the file.
func (r *Report) find(path string) place {
	for {
		if p, ok := r.places[path]; ok {
			return p
		}
		if p, ok := r.places[path+"_file"]; ok { // a secret that came from its file
			return p
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return r.places[""]
		}
		path = path[:cut]
	}
}

// blottable is the shortest secret that blot looks for: shorter ones are part of ordinary words.
const blottable = 4

// userinfo finds the password in an address such as redis://user:password@host.
var userinfo = regexp.MustCompile(`(://[^\s/@:"]*:)[^\s/@"]+@`)

// blot removes known secrets from a text. Messages are written without them; this holds when one was not.
func (r *Report) blot(s string) string {
	for _, secret := range r.secrets {
		if len(secret) >= blottable {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	return userinfo.ReplaceAllString(s, "${1}***@")
}

// sort orders by place, faults before warnings.
func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), rank(a)-rank(b), cmp.Compare(a.Path, b.Path))
	})
}

func rank(f Finding) int {
	if f.Warning {
		return 1
	}
	return 0
}
