// Package gateway owns the guarded path: every request that is not for the gateway's own pages goes through Handler, which finds
// the canonical path, the upstream, the rule, the session and the decision, and then passes it on, asks for a sign-in, or refuses. It owns
// none of these: paths, headers and the way to the CRM are package proxy's, rules are package policy's, sessions package session's.
// Forward is the same decision for a proxy in front that asks instead of passing through.
//
// Decisions:
//   - The split between our pages and the CRM's is made here, on the canonical path, and not by a ServeMux in front: a mux redirects
//     paths that it finds unclean, and the CRM's traffic must pass untouched.
//   - A path that a less careful server could read in another way (proxy.Path.Others), or a method that a header overrides, is passed only
//     where every reading comes to the same upstream and the same rule.
//   - The first thing that fails, fails closed: no upstream, no session store, no signature means no request to the CRM. The exception is
//     a rule for anyone, which asks nothing of the session store and works without it.
//   - What the CRM is told about a person is made once per session and upstream and used until the session's identity changes. Per request
//     nothing is decoded, joined or signed.
//   - A program may bring an access token in place of a session (Bearers). It is consumed where it is recognised, good or not: the CRM has no
//     business with it. Every other Authorization header is the CRM's own and passes untouched. What a token says is put into the words of
//     a session, so that rules, headers and assertion are the same for both; store and account are asked again after a second.
//   - A recognised token decides alone. Falling back to the session beside it would make a revoked token look as if it worked.
//   - Whoever asks Forward names the request, so only a proxy may. Which of the trusted ones do ask can be said (ForwardAuth): through one that
//     passes browsers' requests on, a page of the CRM could ask in its own user's name and read the assertion.
//   - A refusal is recorded with rule, request and the conditions that failed, under the reference that the page shows. The page itself
//     does not say whom the rule would let pass.
//   - A WebSocket or an event stream is looked at every few seconds while it is open and ends with its session; looking does not count as
//     use, so an open tab does not keep a session from growing idle.
package gateway
