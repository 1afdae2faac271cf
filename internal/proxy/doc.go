// Package proxy owns the way to the CRM: the CRM's addresses and their health (pool), the hygiene of paths (Canonical, AsIs), headers and cookies (Names),
// the identity headers (Identity), the signed assertion (Signer), the CRM's own cookies (Cleaner), upgrades and streams (Upstream.Serve). It does not decide who may pass:
// package policy does, and package gateway asks it with the path that Canonical made.
//
// Decisions:
//   - One function reads the request target and makes both the path that rules see and the bytes that the CRM is sent, so they cannot
//     drift apart. Apart from repeated slashes the bytes are the client's own.
//   - For an application that needs paths as they are (paths_as_is) nothing is guessed about how it reads them: AsIs makes every reading
//     that servers are known for, one after another as well, and each must be allowed. Only slashes at the very beginning become one.
//   - What the gateway says about a request is never what the client said: every spelling of its header names is removed first, on every
//     route, whoever asks, in trailers too. All X-Forwarded-* names are the gateway's.
//   - Requests are sent by our own few lines on http.Transport instead of httputil.ReverseProxy. See exchange for the reason, which is CPU.
//     WebSockets are our own too, for memory: ReverseProxy keeps the server's goroutine, its buffers and two of 32 kB for each.
//   - GET and HEAD without a body, nearly all of what a CRM is asked, go a shorter way where the CRM speaks plain HTTP/1.1 (fast_get): over
//     connections of package wire and without touching the header map, which halves the cost of a request. What the CRM answers in a form
//     that package wire refuses is asked again the standard way, once, and so is everything to that address for ten minutes.
//   - WebSocket is the only upgrade that is passed on, and only to pages of our own origin.
//   - Identity values are UTF-8 with control characters made spaces. Groups are joined by commas; within a group "," is written "%2C"
//     and "%" "%25", so that a CRM that splits at every comma never makes a group out of a part of one.
//     A header whose value would be empty is not sent. The assertion carries the same as JSON, groups as a list.
//   - An assertion lives five minutes and is signed again at half of that, once per session and upstream: signing per request would cost
//     more than everything else together.
//   - What comes over a used connection before anything was asked is nobody's answer (quietConn): http.Transport alone would give it to the
//     next request, and its own test for it comes too late. The request goes to another connection, whatever its method, for nothing of it was sent.
//   - With one address the Transport tries again only what cannot have reached the CRM. With several, one more attempt is made at
//     another: of anything for which no connection came about, and of GET, HEAD and OPTIONS without a body, but not after a timeout.
//   - An address that cannot be connected to, or five times in a row says 502, 503, 504 or nothing, rests for a second, then two, up to a
//     minute. A 500 is the application's own and counts for nothing. Where all rest they are asked all the same. To drain an address, let
//     its health.path fail: what is under way ends in peace.
//   - Requests under way are kept in lists by session (flights) and end with it, whatever kind they are. One timer looks at all of them; a
//     context or a goroutine for each would cost every request something.
//   - Cookies of the CRM are bound to a session by a tag made from the digest of the session's secret: it needs no key and no store, and
//     nobody who knows a session's id can make it. What is tagged and what gets a cookie beside it is told in cookies.go. Behind forward-auth
//     nothing is bound: the answers do not come through here.
//   - HTTP/2 without TLS (h2c://) is spoken to those CRMs only that the configuration says so of; their WebSockets go over HTTP/1.1.
//   - An assertion that is bound to a request (bind_route) is signed per request, lives a minute, and has the claims of RFC 9449.
//
// Libraries: go-jose signs the assertion; it is in the graph of go-oidc anyway.
package proxy
