// Package fault owns the errors that people see and the problems that a configuration file has.
//
// An *Error carries a kind, one sentence that is safe to show to a stranger, an optional next step and the cause for the
// log. Everything else in the program wraps with fmt.Errorf; package page is the only place that turns a kind into an HTTP
// status and a page.
//
// A Problem names one fault of a configuration by its path (upstreams[0].urls). Packages return problems from their
// Config.Validate; package config adds file and line. Nearest finds what a mistyped word was meant to be, for hints.
//
// Decisions:
//   - A sentence is written for the person in front of the browser and says what to do; the cause is for the log. Keeping
//     them in two fields is what makes it impossible to print a driver's error by accident.
//   - Kinds are few because each is a status and a tone, not a diagnosis.
package fault
