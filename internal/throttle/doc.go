// Package throttle owns slowing down and locking out: the count of failed attempts per subject (Lockout, kept in the store so
// that all replicas count together) and the rate of requests per client address (Limiter, in memory).
//
// Decisions:
//   - Counting is one atomic step in the store: a hundred parallel guesses are a hundred counted guesses.
//   - Keys are made from the canonical account, or from the normalized identifier where there is no account, so that a
//     stranger sees the same lock on a name that does not exist.
//   - A lock holds for a fixed time after the last counted failure and ends by itself; it slows guessing, it is not a way to keep
//     somebody else out for good.
package throttle
