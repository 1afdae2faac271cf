// Package gateway owns the guarded path: every request that is not for the gateway's own pages goes through Handler, which finds
// the canonical path, the upstream, the rule, the session and the decision, and then passes it on, asks for a sign-in, or refuses. It owns
// none of these: paths, headers and the way to the CRM are package proxy's, rules are package policy's, sessions package session's.
// Forward is the same decision for a proxy in front that asks instead of passing through.
//
// Decisions:
//   - The split between our pages and the CRM's is made here, on the canonical path, and not by a ServeMux in front: a mux redirects
//     paths that it finds unclean, and the CRM's traffic must pass untouched.
//   - A path that a less careful server could read in another way (proxy.Path.Others), or a method that a header overrides, is passed only
//     where every reading comes to the same upstream and the same rule. An upstream with paths_as_is takes them as they are, and
//     the strictest of all their rules decides; one with ignore_case is matched by rules without regard to case.
//   - Methods are overridden by headers and by "_method" in a query. One in a form's body is not looked for, because bodies are not read: for
//     a CRM that obeys it, rules must treat POST as they treat what a form can stand for.
//   - The first thing that fails, fails closed: no upstream, no session store, no signature means no request to the CRM. The exception is
//     a rule for anyone, which asks nothing of the session store and works without it.
//   - What the CRM is told about a person is made once per session and upstream and used until the session's identity changes. Per request
//     nothing is decoded, joined or signed.
//   - A program may bring an access token in place of a session (Bearers). It is consumed where it is recognised, good or not: the CRM has no
//     business with it. One that stands in that header in any other form (another scheme, a list, a password) is refused, or the CRM would
//     have it. Every other Authorization header is the CRM's own and passes untouched. What a token says is put into the words of
//     a session, so that rules, headers and assertion are the same for both; store and account are asked again after a second.
//   - A recognised token decides alone. Falling back to the session beside it would make a revoked token look as if it worked.
//   - Whoever asks Forward names the request, so only a proxy may. Which of the trusted ones do ask can be said (ForwardAuth): through one that
//     passes browsers' requests on, a page of the CRM could ask in its own user's name and read the assertion.
//   - A proxy that asks sends the CRM the client's headers itself, so with the secret the answer also says what of Cookie and Authorization is
//     the CRM's. Without the secret it does not: a script could ask, and would read cookies that are kept from scripts.
//   - A refusal is recorded with rule, request and the conditions that failed, under the reference that the page shows. The page itself
//     does not say whom the rule would let pass.
//   - A request ends with the session that let it in, whatever kind it is; package proxy watches those that last.
//
// Libraries, both for access tokens that programs bring (bearer.go): otter bounds how many answers are remembered, and x/sync/singleflight lets
// many requests with one token share one question.
package gateway
