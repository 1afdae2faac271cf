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
//     its sessions are gone, and the person is told. What is not certain is refused with a page (mayClaim): whoever sets that option
//     says that an address names one person, so a second account would be wrong as well.
//   - Without that option somebody with a local account gets a second one at their first corporate sign-in, as the administrator's own
//     account for bad days must not keep him from signing in. It is never silent: mail, audit trail and log say so.
//   - An import looks at every line before it writes the first one, rather than write all in one transaction: the gateway that runs
//     beside it would wait for the whole file. It may be run again, and does then what is left.
//   - Whoever asks for a reset gets one answer at once; who it was is found out afterwards, in the background (Service.Run). The
//     answer cannot depend on it, neither in words nor in time. The mail about a lock is made there for the same reason.
//   - A right password costs one argon2id hash and so does a wrong one, an unknown name and a locked account. (One exception: bcrypt and PBKDF2
//     hashes that were imported cost what they cost until their owner first signs in; cheap ones get a hash of ours on top.) Where there is nothing
//     to compare with, a decoy of the same cost is compared. Disabled people with the right password are not told either: the
//     sentence would say that the password is right.
//   - A sign-in is counted before its password is looked at, by account where there is one (address and username are one count), else
//     by what was typed, and by the client's network, in one step (package throttle). The attempt that locks is still looked at.
//   - Passwords are normalised (NFC), never cut, and judged as a whole: length, the usual guesses and their variations, the person's
//     and the product's own words, former passwords, and an estimate of the guesses needed. No rule asks for digits or signs.
//   - The estimator is our own, after zxcvbn's model and with its words: the library builds its dictionaries whenever the program starts
//     (80 ms and 18 MB of work for a page that is seen twice a year), and its work grows without bounds. Ours halves a sorted text, and
//     looks at 72 characters.
//   - Shorter passwords are for accounts with a second factor (HasFactor); who cannot tell whether there is one asks for the longer. No password
//     runs out unless max_age says so; then the person is told ten days before, and an old password proves who changes it
//     (ChangePassword) and opens nothing else (identity.MustChange).
//   - Stolen passwords: a Bloom filter in a file, because the list has a thousand million entries and must not be asked over the
//     network by default. It is read in place. One good password in a thousand is refused by mistake. Both filter and range API fail open: they
//     add to the rules above and must not keep people from changing a password on a bad day.
//   - Hashes from elsewhere are kept as they are until their owner signs in, because nobody else can turn them into ours. bcrypt's
//     72 bytes are the longest password there: what it would cut off is refused, and a reset mends it.
//   - The token that withdraws a reset is another than the one that sets a password, and dies with it. It needs no sign-in: whoever reads the mail
//     could do worse with the other link.
//   - A removed account keeps its row for thirty days, disabled and without names that can be typed, so that every check of Disabled holds
//     for it and its address may be invited anew.
//   - What an account is known by: browsers by a secret in a cookie of their own that opens nothing, always a fresh one and only its digest
//     kept; networks by their /24 or /64, because homes and offices have no smaller one that lasts. There is no map of places: an address says
//     what is known, and a guessed town frightens people for nothing. The first sign-in of an account tells nobody; one from a new browser or
//     network mails the owner (Arrived), ten in an hour at most, whoever owns the account.
//   - "It was not me" locks: the account is disabled until an administrator enables it, a local password is replaced by one that nobody knows,
//     and sessions, one-time links, remembered devices, access tokens and known places are gone, all in one step with the link that was used
//     (NoticeStore.CloseAccount). It is not opened again by a reset alone: whoever got in may read the mail, and somebody has to look
//     first. Second steps stay, and the mail to the support says to look at them: taking them away could be what the intruder wants.
//   - The link for it stands in every mail about a sign-in or a changed protection, each with a token of its own, for three days: a weekend. It
//     needs no sign-in and no second step. All that it can do is to lock the account, and whoever reads the mail could do worse.
//   - A local person changes their name and nothing else: address and groups are what rules and the CRM go by.
//   - Refusals that only support can mend say so and nothing more; the reason goes to the audit trail. Sign-ins that are
//     refused here are recorded here; those that succeed are recorded by package signin.
//
// How the reset meets the OWASP Forgot Password Cheat Sheet:
//
//	same answer for everybody           RequestReset returns the same value for a local, a provider's and no account; TestResetTellsNothing
//	same time for everybody             RequestReset asks no store; later and Run do the work
//	side channel only                   the link goes by mail (mailReset) or to the administrator (IssueReset)
//	random and long                     token.NewSecret, 256 bits (issue)
//	stored hashed                       token.Digest (issue); the token itself is only in the mail, and there sealed until it is sent
//	single use                          TokenStore.RedeemToken, one step; a newer link ends older ones; TestWithdrawalAndResetRace
//	expires                             local.reset.link_lifetime, local.invitation_lifetime (issue); so does the mail itself
//	bound to one person and purpose     OneTime.AccountID and Purpose; adoption, disabling, removal and a new address end it
//	no change before a good token       RequestReset changes no account and no lock; PeekToken uses nothing up
//	limit per account, flood control    mayMail (five in a quarter of an hour, counted in the store), backlog; per client: throttle.Limiter in front
//	input checks, injection             identity.Normalize, maxIdentifier, mail.CheckAddress; mail goes to the stored address only
//	typed twice, same rules             package web compares; checkNew is the only judge, for resets, invitations and changes alike
//	notice without the password         password_changed (afterPassword)
//	no sign-in by the link              RedeemToken starts no session
//	other sessions ended                afterPassword
//	links from configuration            BaseURL (Service.url), never from a request
//	no referrer, no guessing of tokens  package web sends the header; junk is refused before the store and before any hash
//	who did not ask can say so          Withdraw; TestWithdraw
//
// How passwords meet NIST SP 800-63B-4 (sections 3.1.1 and 3.2.2):
//
//	15 characters alone, 8 with factor  local.password.min_length and min_length_with_factor; MinLength; TestMinLengthWithFactor
//	64 and more allowed                 maxPassword is 256; TestPasswordRules
//	all characters, space, Unicode      canonical (NFC); each code point counts one; TestPasswordIsNotCutNorChanged
//	whole password verified             canonical refuses and never cuts; TestBcryptDoesNotCut
//	no composition rules                shape; TestPasswordRules
//	no periodic change                  local.password.max_age is 0 unless set; TestPasswordAge
//	change on evidence of compromise    Disable and IssueReset by an administrator; the stolen are refused when set
//	no hints, no questions              there is no place for either in Account
//	blocklist, whole passwords          obvious, blocked, filtered, breached; TestPasswordRules, TestBlocklistFile, TestFilter, TestRangeAPI
//	reason given, guidance offered      PasswordError, Weakness; TestWeaknessSaysWhatSettingWouldSay, TestAdviceWhileTyping
//	managers, paste and display         templates/parts/fields.html; TestMailedLinkInBrowser
//	salted, slow, cost kept             hasher, encode; upgrade; TestHashIsPHC, TestImportedHashesAreUpgraded
//	at most 100 failures in a row       throttle.Config.Total; TestLockoutTotal
//	counted over parallel attempts      throttle.Store.CountAttempt; TestChangePasswordOnce
//	success resets that count alone     throttle.Lockout.Succeed; TestRightPasswordTakesBackOnlyItself
//
// How it meets OWASP ASVS 5.0, chapter 6 (those of local accounts; factors are package mfa's, providers package provider's):
//
//	6.1.1 limits documented             this list, config/crmgate.yaml, throttle's doc.go
//	6.1.2, 6.2.11 context words         ownWords, Service.Words; TestPasswordRules
//	6.2.1 least length                  MinLength
//	6.2.2, 6.2.3 change, knowing it     ChangePassword; TestChangePassword;
//	                                    after the second factor: signin TestChangeLocalAsksForTheFactor; app change_factor.txtar
//	6.2.4, 6.2.12 common and breached   common, guesses, filtered, breached; TestGuessesAgainstKnownStrengths
//	6.2.5 no composition                shape
//	6.2.6, 6.2.7 masked, managers       templates/parts/fields.html
//	6.2.8, 6.2.9 unchanged, 64 allowed  canonical; TestPasswordIsNotCutNorChanged
//	6.2.10 no forced rotation           max_age is off by default
//	6.3.1 brute force                   throttle.Lockout; TestLockout, TestLockoutOfANetwork
//	6.3.2 no default accounts           none is ever created but by Invite, Import and Admit
//	6.3.5 notices of odd sign-ins       Arrived, mail locked; TestArrived, TestMailsThatLock; app account_not_me.txtar
//	6.3.7 notices of changes            mails password_changed, factor_changed, account_adopted; TestMailsAreComplete
//	6.3.8 nobody can be told from text, code or time
//	                                    prove; TestEveryRefusalIsTheSameWork, TestResetTellsNothing
//	6.4.1 first secret                  issue (ForInvitation)
//	6.4.2 no hints or questions         see above
//	6.4.3 reset does not skip factors   RedeemToken starts no session
//	6.4.5 reminders in time             warnOfAge; TestPasswordAge
//	6.4.6 administrators set none       no command and no method takes a password for another; IssueReset sends a link
//
// Chapter 7, as far as it is about people and their sessions (the rest is package session's):
//
//	7.2.4 new token at proof            session.Manager.Renew; session TestRenew, signin TestStepUp, TestWalk
//	7.4.2 a disabled account has none   Disable, NotMe; TestNotMe
//	7.4.3 ended with the password       afterPassword; app account_page.txtar
//	7.5.1 fresh proof before changes    changing in package web, signin.Flow.Fresh; web TestOwnForms
//	7.5.2 see and end own sessions      session.Manager.ListOwn, EndOwn; web TestOwnPages; app account_page.txtar
//
// Libraries: x/crypto/argon2 is the hash that OWASP recommends, x/crypto/bcrypt and crypto/pbkdf2 read those of others; x/text normalises.
package account
