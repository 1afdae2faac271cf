// Package account owns people: the account record, its owner, its links to corporate identities, local passwords and their
// rules, invitations, and the reset decision. It does not own sessions (package session), does not speak to providers
// (package provider) and draws no page (package web).
//
// Where the reset decision is made: Service.RequestReset in reset.go.
//
// Decisions:
//   - An account is owned by "local" or by one provider. The right to hold a password is the type Local, which only
//     Account.Local hands out and only for a local account; PasswordStore takes nothing else, and the database holds the same
//     rule as a constraint. So an account owned by a provider cannot get a local password by any road.
//   - Corporate people are found by link (provider, issuer, subject) alone. An address finds an account only where the
//     administrator allowed `link_by_email: verified` for a provider, and then once.
//   - Whoever asks for a reset gets one answer at once; who it was is found out afterwards, in the background. The answer
//     cannot depend on it, neither in words nor in time.
//   - A right password costs one argon2id hash and so does a wrong one, an unknown name and a locked account.
package account
