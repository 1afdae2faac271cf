// Package bearer owns personal access tokens: what a person gives a program so that it may use the CRM in their name. It makes and checks
// them, says what they may be used for, and declares where they are kept (Store). It does not know accounts or requests: package gateway
// puts token and account together, package sqlstore keeps them. Tokens that a provider signs are package provider's.
//
// Decisions:
//   - A token is "cmg_" and 256 random bits. The prefix is how the gateway knows, without asking anything, that an Authorization header is
//     for it, and how scanners find a token in a repository. Only the digest is stored; the token is shown once.
//   - Every token ends, within a year at most, and says for which paths and methods it is good. There is none that may do everything
//     for ever.
//   - A token is no session: it opens nothing of the gateway's own (account, administration) and cannot prove a second factor, so rules with
//     require_factor keep it out.
//   - A token speaks for the account as it is now. Disabling the account stops it, deleting the account or handing it to a provider removes
//     it, and one whose owner signs in at a provider sleeps when the owner has not been seen for a while (owner_seen): nobody tells the
//     gateway that somebody has left the company.
//   - Unknown, ended and malformed are one answer; which it was stands in the log.
package bearer
