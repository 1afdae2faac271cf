// Package sqlstore keeps everything in SQLite or PostgreSQL behind one set of statements: accounts, links, passwords, one-time
// tokens, sessions, attempts, failure counts, keys and security events. It owns the schema and its migrations and decides nothing.
package sqlstore
