// Package demo owns what stands around the gateway when `crmgate demo` shows it: a small CRM to be protected, an inbox that
// catches the mail, and the world that starts them all and says what to try (Run, in world.go). The corporate provider is package
// fakeidp; the gateway itself is package app.
//
// The CRM is an upstream like any other: it believes the identity headers because only the gateway can reach it, and
// shows on one page exactly what it received. It verifies no signature and guards nothing by itself, so that whatever a
// visitor is refused was refused by the gateway.
//
// Decisions:
//   - html/template is used here directly although package page owns it inside the gateway: these pages play foreign
//     programs, and sharing the gateway's templates would make them look like it.
//   - Kept data (--data) is tied to the company's issuer, so the company listens where it did when the data was made. A crmgate.yaml
//     that the demo did not write is never overwritten.
//   - What the CRM and the inbox show lives in memory, bounded in number, and an uploaded file is counted and thrown away.
//   - The pages work without script; the one script there is runs the clock, which proves that the gateway streams.
//   - The inbox is a real SMTP server on a loopback port, so the demo sends mail by the same road as production. Mails are
//     shown in a sandboxed frame whose links open in the whole window.
//
// Libraries: go-smtp catches the mail, so that the demo's mails travel as real ones do; x/text reads mails in character sets other
// than UTF-8.
package demo
