// Package middleware owns what every request passes before anything else, one file each: on the connection the PROXY header and the
// framing of requests; then bodies, origin (request id, client address, scheme and host, from what trusted proxies say), access log and
// recover; and for the gateway's own pages secure headers and cross-origin protection. What may pass and where it goes is decided in package gateway; what an error looks like in package page.
//
// Decisions:
//   - What is believed about a request is decided once, in Origin, and travels as one context value (audit.Origin). Nothing behind it
//     looks at RemoteAddr or X-Forwarded-* again.
//   - Trusted proxies are none by default. With some, the client is the right-most address of X-Forwarded-For that is no trusted proxy;
//     what stands to the left of it was written by the client and is neither believed nor passed on.
//   - The PROXY protocol is spoken where the configuration says so and with those peers only that are trusted proxies, and never guessed. Version
//     2 alone: it has a length, a form and a checksum, so there is one parser to trust. Who sits behind a header without an address is
//     nobody, not the balancer.
//   - net/http takes some requests whose length or lines others read in another way. Framing refuses them, also within TLS (SecureFraming): a
//     proxy in front that speaks TLS to us reads them, too. HTTP/2 is framed in one way only.
//   - net/http waits for the rest of a body before it answers. Bodies puts an end to that: whoever announces a body and sends none
//     would otherwise never be refused.
//   - Order: Bodies, Origin, AccessLog, Recover, then the rest. The log needs the origin, and must see the status that Recover gives.
//   - Secure headers are for what lies below the gateway's prefix only. The CRM's answers are the CRM's. What a page may load is package
//     page's to say, because pages also stand in for the CRM's where that is refused or down.
package middleware
