// Package throttle owns slowing down and locking out: the count of failed attempts per subject (Lockout, kept in the store so
// that all replicas count together) and the rate of requests per client address (Limiter, in memory).
//
// It does not know what is tried (packages account and signin do) nor what a client's address is (package middleware).
//
// Decisions:
//   - Counting is one atomic step in the store: a hundred parallel guesses are a hundred counted guesses.
//   - Keys are made from the canonical account, or from the normalized identifier where there is no account, so that a
//     stranger sees the same lock on a name that does not exist.
//   - A lock holds for a fixed time after the last counted failure and ends by itself; it slows guessing, it is not a way to keep
//     somebody else out for good.
//   - The attempt that reaches the limit is still looked at. A person who remembers the password at the last try gets in, and
//     of a hundred parallel guesses exactly `failures` are verified.
//   - Keys hold a digest of what was typed: people type passwords into the name field.
//   - An address that cannot be read is one client named junk, never a way around the limit. IPv6 counts by /64, because one
//     subscriber has all of it; a mapped IPv4 address is the IPv4 address.
//
// Libraries: x/time/rate is the token bucket of the limiter; otter bounds how many addresses are remembered.
package throttle
