// Package middleware owns what every request passes before anything else, one file each: origin (request id, client address, scheme and
// host, from what trusted proxies say), recover, access log; and for the gateway's own pages secure headers and cross-origin
// protection. What may pass and where it goes is decided in package gateway; what an error looks like in package page.
//
// Decisions:
//   - What is believed about a request is decided once, in Origin, and travels as one context value (audit.Origin). Nothing behind it
//     looks at RemoteAddr or X-Forwarded-* again.
//   - Trusted proxies are none by default. With some, the client is the right-most address of X-Forwarded-For that is no trusted proxy;
//     what stands to the left of it was written by the client and is neither believed nor passed on.
//   - Order: Origin, AccessLog, Recover, then the rest. The log needs the origin, and must see the status that Recover gives.
//   - Secure headers are for what lies below the gateway's prefix only. The CRM's answers are the CRM's. What a page may load is package
//     page's to say, because pages also stand in for the CRM's where that is refused or down.
package middleware
