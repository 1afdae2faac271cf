// Package proxy owns the way to the CRM: the upstream's pool of connections, the hygiene of paths (Canonical), headers and cookies (Names),
// the identity headers (Identity), the signed assertion (Signer), upgrades and streams (Upstream.Serve). It does not decide who may pass:
// package policy does, and package gateway asks it with the path that Canonical made.
//
// Decisions:
//   - One function reads the request target and makes both the path that rules see and the bytes that the CRM is sent, so they cannot
//     drift apart. Apart from repeated slashes the bytes are the client's own.
//   - What the gateway says about a request is never what the client said: every spelling of its header names is removed first, on every
//     route, whoever asks, in trailers too. All X-Forwarded-* names are the gateway's.
//   - Requests are sent by our own few lines on http.Transport; httputil.ReverseProxy (Rewrite, never Director) opens the WebSockets. See
//     exchange for the reason, which is CPU.
//   - GET and HEAD without a body, nearly all of what a CRM is asked, go a shorter way where the CRM speaks plain HTTP/1.1 (fast_get): over
//     connections of package wire and without touching the header map, which halves the cost of a request. What the CRM answers in a form
//     that package wire refuses is asked again the standard way, once, and so is everything to that CRM from then on.
//   - WebSocket is the only upgrade that is passed on, and only to pages of our own origin.
//   - Identity values are UTF-8 with control characters made spaces. Groups are joined by commas; within a group "," is written "%2C"
//     and "%" "%25", so that a CRM that splits at every comma never makes a group out of a part of one.
//     A header whose value would be empty is not sent. The assertion carries the same as JSON, groups as a list.
//   - An assertion lives five minutes and is signed again at half of that, once per session and upstream: signing per request would cost
//     more than everything else together.
//   - Only the Transport tries again, and only what cannot have reached the CRM.
//
// Libraries: go-jose signs the assertion; it is in the graph of go-oidc anyway.
package proxy
