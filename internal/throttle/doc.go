// Package throttle owns slowing down and locking out: the count of failed attempts per subject (Lockout, kept in the store so
// that all replicas count together) and the rate of requests per client address (Limiter, in memory).
//
// It does not know what is tried (packages account and signin do) nor what a client's address is (package middleware).
//
// Decisions:
//   - Counting is one atomic step in the store for all that an attempt counts for: a hundred parallel guesses are a hundred counted guesses.
//   - An attempt counts for the client's network, for the account, and for the account's failures in a row over all locks: ten
//     a quarter of an hour would otherwise be a thousand a day, and NIST SP 800-63B-4 section 3.2.2 allows a hundred in all. The last
//     lock ends with a new password, which a mailed link sets; so it keeps nobody out who reads their mail.
//   - A network that is kept out is told so: the sentence is about the network and the same for every name. A right password takes
//     back its own attempt there and no other.
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
