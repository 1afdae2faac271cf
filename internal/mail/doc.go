// Package mail owns messages to people and their way to an SMTP server. What a message says is a template (package page
// renders it, behind the Renderer interface); when one is sent is decided by package account.
//
// Decisions:
//   - Sending is asynchronous: the page that caused a mail answers before the mail server is asked, so neither its speed nor its
//     trouble shows who has an account.
//   - The queue is in the store (Store): a mail server that is down delays mails and loses none, and neither a crash nor a restart of the
//     gateway does. A mail is claimed for a while by the process that sends it; one that dies leaves it to another. So a mail goes out
//     once as a rule and twice at worst, with one Message-ID, when a process dies between the server's answer and its own note of it.
//   - What is stored is sealed, because it may carry a link that opens an account, and is removed as soon as it was sent or given up.
//   - A mail ends with its use (Message.Expires): a reset link that no longer works is not sent.
//   - Without a store the queue is bounded and in memory, for tests and the demo.
//   - Everything that can be wrong with a message itself (address, template) is found by Send, not later in a log.
//   - TLS is demanded unless the configuration says "none"; credentials never travel in the clear, not even on loopback.
//   - Recipients are plain addresses that CheckAddress takes: no display names, quotes, routes or comments, in which
//     senders elsewhere have lost recipients or gained some (CVE-2025-59937).
//   - A log line names template, recipient and the server's status. What the server says is shortened where it could repeat the
//     message: spam filters like to quote the link they dislike, and the link is a key.
//   - HELO and Message-ID are made from the domain of `from`; the machine's own name stays inside.
//
// Libraries: go-mail speaks SMTP with mandatory TLS by default, tells temporary errors from final ones, and refuses header injection.
package mail
