// Package realtest starts real servers for tests: an OpenLDAP directory (Slapd), an Active Directory domain controller (SambaAD), a
// certified OpenID Provider (OIDCProvider), PostgreSQL (Postgres), Redis (Redis), a mail server (Mailbox), proxies
// to stand in front (Nginx, Caddy, HAProxy), PHP (PHPFPM) and Chromium (Open). It
// owns their start, their seed data and their end. It asserts nothing about crmgate; only _test files import it. An OpenID Provider that
// misbehaves on purpose is package fakeidp.
//
// Every starter takes the test, returns addresses on loopback, and stops what it started when the test ends. Where the
// program is not installed the test is skipped with a sentence that says what to install; with CI set in the environment it
// fails instead, so that nothing is skipped unseen where it counts.
//
// Decisions:
//   - Real programs instead of fakes, because what breaks a sign-in are the habits of real servers: slapd's result codes, a
//     provider's extra parameters, a browser's SameSite rules.
//   - Each child runs under a small shell that holds one end of a pipe (see leash.go). A test binary that panics, times out or
//     is killed closes its end, and the child goes with it; no pid file, no killing by name.
//   - Ports come from below the kernel's ephemeral range. A port from within it can be taken by any outgoing connection
//     between Stop and Restart, and a dial to a stopped server can even connect to itself.
//   - PostgreSQL takes two seconds to set up, so one server serves a test binary and each call gets a fresh database. Everything
//     else starts in well under a second and is private to its test.
//   - Samba takes half a second to start and six to make a domain. The domain is made once and kept in the user's cache directory; every
//     test starts a copy, so none sees another's locked accounts and new passwords.
//   - Samba's ports are fixed, so each server gets a loopback address of its own. They need root, as on a company's server.
//   - No client libraries of the servers are used here (LDAP, SQL, Redis): they belong to one package each, and a seed made
//     with the server's own tools does not share our mistakes.
//
// Libraries: go-smtp is a mail server inside the test that can refuse on purpose, and go-sasl tells it who sends; chromedp with its cdproto drives Debian's Chromium without a driver of its own to install.
package realtest
