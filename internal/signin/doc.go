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
//   - The verifier and nonce of an attempt are stored as they are: they are worth nothing without the code and our own credentials, and
//     nothing at all after ten minutes. Refresh token and ID token of a session live for hours and are sealed, each for its person at its
//     provider.
//   - A live session is asked about (Revalidation) once per interval however many requests and replicas use it: who asks takes a lease in
//     the session's record for a minute, much longer than a question lasts. A refresh token is used once, and what comes for it is stored
//     before anything else and however long the store takes; the question belongs to no request, so a client that leaves breaks nothing
//     off. Only a process that is killed between the provider's answer and the store's loses a token; the session ends then at the next
//     question, and the person signs in again.
//   - Only the provider's word ends a session at once. Silence ends it after the grace, counted from the first question that was not
//     answered. A provider that has just not answered is left alone for two seconds whatever number of sessions is due, and sixteen
//     questions go to it at once.
//   - A logout token counts as used before the sessions end: replaying one that names a person would otherwise end what they began since.
//     A sign-in under way at that moment is not stopped (see package session).
//   - Steps never call each other. Begin, Password and Callback fill in the progress and ask Next. Only what must outlive a visit
//     elsewhere is saved as an attempt; a password is asked for and checked in one request, so nothing is kept for it.
//   - What waits for a second factor (session.Pending) is on the server too, sealed, for ten minutes, bound to the browser's cookie or, for
//     somebody who is signed in, to the session. The ticket in the page's address tells tabs apart and opens nothing by itself.
//   - The policy is read anew right before the session starts (demanded), not when the sign-in began to wait: what changed meanwhile
//     counts, and a step that tried to skip another would find the same question at the end. Finish starts sessions and stepped
//     strengthens them; nothing else does. A random walk (TestWalk) holds both against the words of the manual.
//   - Wrong codes count for their challenge (five for one that was sent) and for the account, across factors, tabs and sign-ins, before they
//     are looked at (guard). A passkey cannot be guessed, so it neither counts nor is locked out by a stranger's guesses.
//   - An account that is locked by wrong passwords while its sign-in waits is not let in by the second factor. A passkey alone is:
//     a stranger who guesses passwords keeps nobody out who has one.
//   - The session, its security event, LastSignIn and the place it came from are written in one transaction: there is no session without
//     its event, also after a kill -9. Where sessions are in Redis, the session is written first and ended if the rest fails; the browser
//     has its cookie only when both stand.
//   - A password is changed after the second factor, not before (change.go): the change waits like a sign-in, sealed, with both passwords in
//     it, and nothing is written until the factor is there. Otherwise a stolen password could replace itself and sign its owner out
//     everywhere. For a password in a directory the same holds if sign-ins with that directory are asked for a factor of ours. An expired one
//     is the exception: the directory does not say whose it is, so nobody's factor could be asked for.
//   - Whoever proves more about themselves while signed in gets a new session cookie (session.Manager.Renew), as at sign-in.
//   - Opening an address sends no code and changes nothing; a code goes out with the password that was right, or by a button.
//   - Whoever has a factor proves it before changing what protects the account; whoever has none proves what they signed in with. A rule
//     with require_factor asks those whose provider is trusted with second factors to sign in there again, and leads others to set one up.
//   - A challenge for passkeys on the sign-in page is sealed into the page and not stored, because every stranger who looks causes one.
//     Its answer counts once.
package signin
