// Package policy owns the question "who may pass where": the access rules, compiled once, and the pure decision. It knows
// nothing of sessions, HTTP or providers; package gateway turns a Decision into an answer.
//
// Decisions:
//   - The first rule whose path, method and upstream match decides; its `allow` is never combined with a later rule. An
//     administrator can find the answer by reading from the top.
//   - Rules see the canonical path only (package proxy makes it), so no spelling of a path chooses another rule.
//   - A decision explains itself: rule name and a sentence, for `crmgate explain`, the 403 page and the audit trail.
package policy
