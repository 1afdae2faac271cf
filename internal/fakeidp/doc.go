// Package fakeidp owns a small OpenID Provider that is real where a relying party looks (OpenID Connect Core 1.0 code flow
// with PKCE S256, discovery, published keys, userinfo, rotating refresh tokens, RP-initiated and back-channel logout) and
// fake where it does not (people, passwords and sessions live in memory and are gone with the process). `crmgate demo` signs
// people in with it; tests make it misbehave.
//
// It does not own any part of the gateway and is imported by none of it but demo; package provider is the relying party it
// is written against, and shares no code with it so that the two cannot share a mistake.
//
// Decisions:
//   - Tokens are signed by a few lines of our own over crypto/*, because most of the faults worth testing (alg none, HMAC
//     under the public key, keys in the header) are what a JOSE library refuses to produce. Tests check the good roads with
//     go-jose, which has not seen this code.
//   - What a client sends is read as strictly as anywhere: its assertions, and ID tokens that come back as hints, are verified by go-jose.
//   - Misbehaviour is a value, Faults, that replaces the former one atomically. Shape faults are functions over the
//     claims or parameters about to be sent, so a test can ask for one that nobody foresaw; BadIDTokens, OddClaims and
//     BadResponses are the ones that everybody should meet.
//   - What only one maker has (Microsoft Graph, Google's groups, Okta's Universal Logout) is a value beside it, Vendor, in a file of its own, and
//     as little of it as a relying party asks.
//   - PKCE with S256 is demanded of every client. RFC 9700 demands it of new deployments, and the gateway has no other mode.
//   - A browser that signs out with a valid hint sees a page that sends it on after a second; a client that does not ask
//     for HTML gets the redirect at once.
//   - Passwords are compared in the clear. This is a stage set; nothing here may guard anything.
package fakeidp
