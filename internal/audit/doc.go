// Package audit owns security events: who did what to whom, from where, and how it ended. "From where" is Origin, which package middleware
// puts into a request's context and everybody else reads there. It does not decide anything and does not store: a Recorder does
// (package sqlstore), and a log line beside it.
//
// Decisions:
//   - Recording must not be able to stop a sign-out or a revocation; Record returns no error, and a Recorder that cannot
//     write logs loudly instead.
//   - Events carry ids, addresses and fixed reason words, never passwords, tokens or the text of a provider.
package audit
