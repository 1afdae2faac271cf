// Package signin owns the way from "who are you" to a session: its steps, and the one dispatcher (Flow.Next) that reads what is
// known so far (progress) and says what comes next. The record of an attempt at a redirect provider and its store are package
// session's, because backends keep them beside the sessions. It draws no page (package web), speaks no protocol (package provider),
// and knows no password (package account and the providers do).
//
// Decisions:
//   - Attempts live in the server's store, not in an encrypted cookie. A stored attempt is taken by exactly one callback
//     however many arrive; a return address of any length fits; a second replica that shares the store can finish what the first
//     began, without sharing cookie keys; and the cookie in the browser is one constant-size secret however many tabs
//     are under way. The price, a row that a stranger can cause, is bounded by the rate limit, by MaxAttempts for one browser and
//     by the ten-minute lifetime.
//   - An attempt is bound to the browser by a cookie of its own: a callback delivered to another browser finds nothing.
//   - Steps never call each other. Begin, Password and Callback fill in the progress and ask Next. Only what must outlive a visit
//     elsewhere is saved as an attempt; a password is asked for and checked in one request, so nothing is kept for it.
package signin
