// Package account owns people: the account record, its owner, its links to corporate identities, local passwords and their
// rules, invitations, and the reset decision. It does not own sessions (package session), does not speak to providers
// (package provider), does not carry mail (package mail) and draws no page (package web).
//
// Where the reset decision is made: Service.RequestReset and answerReset in reset.go.
//
// Decisions:
//   - An account is owned by "local" or by one provider. The right to hold a password is the type Local, which only
//     Account.Local hands out and only for a local account; PasswordStore takes nothing else, and the database holds the same
//     rule as a constraint. So an account owned by a provider cannot get a local password by any road.
//   - Corporate people are found by link (provider, issuer, subject) alone. An address finds an account only where the
//     administrator allowed `link_by_email: verified` for a provider, and then once: the account changes its owner, its password and
//     its sessions are gone, and the person is told.
//   - Whoever asks for a reset gets one answer at once; who it was is found out afterwards, in the background (Service.Run). The
//     answer cannot depend on it, neither in words nor in time. The mail about a lock is made there for the same reason.
//   - A right password costs one argon2id hash and so does a wrong one, an unknown name and a locked account. Where there is nothing
//     to compare with, a decoy of the same cost is compared. Disabled people with the right password are not told either: the
//     sentence would say that the password is right.
//   - A sign-in is counted before its password is looked at, by account where there is one (address and username are one count), else
//     by what was typed. The attempt that locks is still looked at.
//   - Passwords are normalised (NFC), never cut, and judged as a whole: length, the usual guesses and their variations, the person's
//     and the product's own words, former passwords, and an estimate of the guesses needed. No rule asks for digits or signs.
//   - The estimator is our own, after zxcvbn's model and with its words: the library builds its dictionaries whenever the program starts
//     (80 ms and 18 MB of work for a page that is seen twice a year), and its work grows without bounds. Ours halves a sorted text, and
//     looks at 72 characters.
//   - Refusals that only support can mend say so and nothing more; the reason goes to the audit trail. Sign-ins that are
//     refused here are recorded here; those that succeed are recorded by package signin.
//
// How the reset meets the OWASP Forgot Password Cheat Sheet:
//
//	same answer for everybody           RequestReset returns the same value for a local, a provider's and no account
//	same time for everybody             RequestReset asks no store; later and Run do the work
//	side channel only                   the link goes by mail (mailReset) or to the administrator (IssueReset)
//	random and long                     token.NewSecret, 256 bits (issue)
//	stored hashed                       token.Digest (issue); the token itself is only in the mail
//	single use                          TokenStore.RedeemToken, one step; a newer link ends older ones
//	expires                             local.reset.link_lifetime, local.invitation_lifetime (issue)
//	bound to one person and purpose     OneTime.AccountID and Purpose; adoption, disabling and a new address end it
//	no change before a good token       RequestReset changes no account and no lock; PeekToken uses nothing up
//	limit per account, flood control    mayMail (five in a quarter of an hour, counted in the store), backlog; per client: throttle.Limiter in front
//	input checks, injection             identity.Normalize, maxIdentifier, mail.CheckAddress; mail goes to the stored address only
//	typed twice, same rules             package web compares; checkNew is the only judge, for resets and invitations alike
//	notice without the password         password_changed (afterPassword)
//	no sign-in by the link              RedeemToken starts no session
//	other sessions ended                afterPassword
//	links from configuration            BaseURL (Service.url), never from a request
//	no referrer, no guessing of tokens  package web sends the header; junk is refused before the store and before any hash
//
// Libraries: x/crypto/argon2 is the hash that OWASP recommends.
package account
