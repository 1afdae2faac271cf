// Package policy owns the question "who may pass where": the access rules, compiled once, and the pure decision. It knows
// nothing of sessions, HTTP or providers; package gateway turns a Decision into an answer, package proxy makes the canonical
// path that rules are matched on.
//
// Decisions:
//   - The first rule whose path, method and upstream match decides; its `allow` is never combined with a later rule. An
//     administrator can find the answer by reading from the top.
//   - Rules see the canonical, decoded path only, so no spelling of a path chooses another rule. Case matters, as it does to
//     most servers.
//   - One slash at the end of a path makes no difference: nearly every CRM serves /export/ and /export alike, and a rule for
//     one that misses the other is a hole that nobody sees.
//   - "*" stands for one segment or a part of one and never for nothing; "**" stands alone between slashes and takes any number
//     of segments, none included, so /admin/** covers /admin itself.
//   - A method is compared in capitals whatever the client sent: "post" must not slip past a rule for POST.
//   - Who is not signed in is asked to sign in wherever that rule is not for anyone, also under `nobody`: a stranger
//     does not learn which paths are closed.
//   - The conditions of one allow must all hold; of one condition's list, any entry does. Networks and hours narrow down who is signed in;
//     with "who: anyone" they are asked of everybody, which is how a webhook is held to the addresses it comes from, and then a sign-in
//     would not help and is not asked for.
//   - Hours are asked when a request comes. What is open then, such as a WebSocket, goes on.
//   - A second factor (require_factor) must have been proven a short while ago, and is asked only of those whom the rule lets in otherwise.
//   - Rules are indexed by the literal beginning of their patterns, so that the first match is found without trying each; the index only
//     narrows down, the number of the rule decides. It is held against reading from the top by a fuzz test.
//   - An empty entry in a list matches nobody, and a list of nothing but empty entries lets nobody pass. Addresses and domains
//     are compared without regard to ASCII case and no further: Unicode folding would make look-alikes equal. An address with
//     two "@" has no domain.
//   - A decision explains itself: rule name and a sentence, for `crmgate explain`, the 403 page and the audit trail. The sentences
//     are made when the rules are compiled; deciding allocates nothing. Checks and Steps say the same at length.
//   - Who administers the gateway (Admins) and what a token may be used for (Scope) are asked in the same words: groups, addresses, paths.
package policy
