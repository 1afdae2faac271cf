package fault

import (
	"fmt"
	"strings"
)

// Problem is one fault of a configuration.
type Problem struct {
	// Path leads to the value from the place that was validated, such as "urls[0]" or "tls.cert_file"; empty means the
	// place itself.
	Path string
	// Message says what is wrong.
	Message string
	// Hint says what to do; may be empty.
	Hint string
	// Warning marks a problem that does not keep the program from starting.
	Warning bool
}

// Problems collects the faults of one Config.
type Problems []Problem

// Add appends a problem; the message is formatted with args.
func (p *Problems) Add(path, hint, format string, args ...any) {
	*p = append(*p, Problem{Path: path, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// Under returns the problems with their paths put below prefix.
func (p Problems) Under(prefix string) Problems {
	out := make(Problems, len(p))
	for i, q := range p {
		switch {
		case q.Path == "":
			q.Path = prefix
		case strings.HasPrefix(q.Path, "["):
			q.Path = prefix + q.Path
		default:
			q.Path = prefix + "." + q.Path
		}
		out[i] = q
	}
	return out
}
