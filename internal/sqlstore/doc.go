// Package sqlstore keeps everything in SQLite or PostgreSQL behind one set of statements: accounts, links, passwords, one-time
// tokens, sessions, attempts, failure counts, keys and security events. It owns the schema and its migrations and decides
// nothing: who may do what is decided by the packages whose interfaces it fulfils.
//
// Decisions:
//   - One set of statements with $1 placeholders runs on both engines. What would need two spellings is said in another way: a
//     row is locked by an UPDATE that changes nothing (SELECT … FOR UPDATE is PostgreSQL's alone), times are BIGINT unix
//     milliseconds, lists are JSON. In every statement $1, $2, … first appear in that order, as SQLite's driver counts them.
//   - A rule that must never break is a constraint as well: credentials point at (account id, owner) with an owner that can
//     only be 'local'. Giving an account of a provider a password is not refused by code but impossible.
//   - Whatever reads and then writes holds the account's row from the start, in one order (account, then what hangs on it),
//     so that two of them can neither interleave nor deadlock.
//   - SQLite has one writer. Writers of this process queue up in Go, fairly and cancellably; SQLite's own waiting, which is
//     neither, is left for other processes.
//   - What belongs to one step of a sign-in is one transaction (DB.Together), carried by the context because the operations are those of
//     several packages' interfaces. It begins with the first write, and one write in it that fails ends all of it.
//   - With SQLite each text is prepared once for each connection: the driver would read it anew every time, a third of what a statement costs.
//   - Open migrates. Processes that start at once do not get in each other's way: PostgreSQL has an advisory lock, and beside SQLite
//     the directory is locked. A database that a newer crmgate has changed is refused.
//   - Driver errors end here: not found, conflict and unavailable become faults with a sentence, the rest is wrapped.
//   - PostgreSQL refuses text with NUL or broken UTF-8. Descriptions (names, user agents) are mended, keys with such bytes name
//     nothing.
//
// Libraries: modernc.org/sqlite is SQLite without cgo, so the binary stays static; pgx through database/sql lets one set of statements
// serve both engines; goose runs the embedded migrations and locks replicas out of each other's way on PostgreSQL.
package sqlstore
