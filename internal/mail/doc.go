// Package mail owns messages to people and their way to an SMTP server. What a message says is a template (package page
// renders it, behind the Renderer interface); when one is sent is decided by package account.
//
// Decisions:
//   - Sending is asynchronous: the page that caused a mail answers before the mail server is asked, so neither its speed nor its
//     trouble shows who has an account. Temporary refusals are tried again.
//   - TLS is demanded unless the configuration says "none"; credentials never travel in the clear.
package mail
