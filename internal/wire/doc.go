// Package wire owns HTTP/1.1 on a plain connection for requests without a body: it writes the head of a request, keeps connections,
// and reads answers strictly. It knows no rules, names or people: package proxy decides what is asked and what is passed on.
//
// It exists for speed alone. http.Transport runs two goroutines for each connection and hands every request and answer over between them,
// which costs as much as all the rest of a small request. Whatever this package does not do (bodies, TLS, HTTP/2, upgrades, proxies) and
// whatever it does not understand goes the standard way.
//
// Decisions, all of them against request smuggling and answers that go to the wrong person:
//   - An answer is understood in one way or not at all (ErrUnusual): two lengths, a length beside Transfer-Encoding, a coding other than
//     chunked, a folded line, a bare CR or LF, a name that is no token. The caller asks again the standard way, which GET and HEAD allow,
//     and does not come back for a while.
//   - A connection is used again only when its answer was read to its very end, nothing came after it, and the operating system holds
//     nothing more for it at the moment of use. What a server sends unasked is never taken for an answer.
//   - A connection that was kept and breaks before the first byte of an answer is replaced, once for each that was kept and finally
//     by a new one; after the first byte nothing is tried again.
//   - Heads are bounded in bytes and in time; bodies flow as fast as they are taken.
//   - An idle connection holds no buffer.
package wire
