// Package mfa owns second factors: what they are (one file each), what is kept of them, who has which, recovery codes and remembered devices.
// It does not decide who is asked and when (package signin), counts no wrong answers (package signin, with package throttle), carries no
// mail (package account), keeps nothing itself (package sqlstore) and draws no page (package web).
//
// A new factor is a file here that implements Factor, a line in catalogue.go, and a template templates/pages/factor_<kind>.html; the
// store, the flow, the pages around it and the configuration's `allowed` take it as it is.
//
// Decisions:
//   - A factor is pure: what must be remembered between two requests it returns, and the flow keeps it on the server, sealed and bound to
//     the browser. So every ceremony has one owner, one end and one place where it is used up.
//   - What a factor keeps is sealed for its account and kind. It changes in one step in the store (UpdateFactor): a TOTP step, a recovery code
//     and a passkey's counter are compared and moved on by the same transaction, on whatever replica, so nothing works twice.
//   - Codes by mail count only where an account has nothing better. Whoever reads the mailbox can set a new password with it; were the code
//     from the same mailbox the second step, there would be one. Where the mailbox is all that somebody has, it is asked for all the same,
//     also after a reset; those who mind take email out of `allowed`.
//   - A passkey as the only step counts as two factors, because the device has verified the person (user verification is always required).
//     It opens local accounts only: a provider alone says who its people are and whether they still are.
//   - A passkey whose counter went back is refused and recorded: one of two copies has been used. Keys without a counter (zero) are not
//     judged by it.
//   - Recovery codes have 120 random bits, so a plain digest of them is enough, and guessing them is hopeless. They stand in for a factor and
//     are none: by themselves they do not make an account one with a second factor.
//   - Whoever has proven no factor may add one only where there is none (CreateFactor, onlyFirst): a tab that was opened with a stolen
//     password before the owner set a factor up cannot add another afterwards.
//   - A remembered device has a secret of its own for each account, always a fresh one. It ends with its time, with the password, with
//     the last factor, and when its owner or an administrator says so.
//   - Text messages go through whatever HTTP gateway the configuration describes, by https, to no other address (no redirects). Errors never hold
//     the address, which may carry the code.
//   - Six digits by HMAC are fifteen lines, so they are here and no library: the usual ones do not tell which step fitted, and without that a
//     code is accepted twice.
//
// How this meets NIST SP 800-63B-4 and OWASP ASVS 5.0 chapter 6 (tests in this package unless said otherwise):
//
//	ASVS 6.1.3, 6.3.4  every road asks the same    signin.Flow.Next is the only way to finish; signin TestWalk
//	ASVS 6.3.3         enforceable, phishing-resistant on offer   Config.Policy, RequiredFor; passkey.go; app factors_required.txtar
//	ASVS 6.3.6         mail is no factor where it can be helped   Info.Weak, Service.Choices; TestChoices
//	ASVS 6.3.7         told of changes             account.FactorChanged; app factors_totp.txtar
//	ASVS 6.4.3         a reset skips nothing       signin.Flow.second; app factors_reset.txtar
//	ASVS 6.4.4         lost factor                 recovery.go, Service.IssueRecoveryCode (by an administrator who knows the person)
//	ASVS 6.5.1         codes work once             totp.go, recovery.go (use), session.PendingStore.TakePending; storetest races, signin TestRaces
//	ASVS 6.5.2         look-up secrets             recoveryBytes: 120 bits, plain digest allowed; TestRecoveryCodes
//	ASVS 6.5.3, 6.5.4  random, 20 bits and more    crypto/rand; six digits, 160-bit seeds
//	ASVS 6.5.5         ten minutes, half a minute  CodeLifetime, totpPeriod; TestSentCodes, TestTOTP
//	ASVS 6.5.6         revocable                   Service.Remove, Clear, ForgetDevice; `crmgate user clear-mfa`
//	ASVS 6.5.8         the server's clock          Deps.Now
//	ASVS 6.6.1         SMS only beside others      off without factors.sms.url, the page says what it is worth
//	ASVS 6.6.2         bound to its request        state of the pending step, not of the account; signin TestWalk
//	ASVS 6.6.3         guessing limited            signin.Flow.guard: five for a code, ten for the account; signin TestGuessing
//	ASVS 6.6.4         sending limited             signin.Flow.maySend; signin TestSending
//	ASVS 6.7.2         fresh challenges            the library's 32 random bytes; one answer each
//	ASVS 6.8.4         amr, lowest if silent       Shown; TestShown
//	63B-4 3.1.2        look-up secrets             recovery.go
//	63B-4 3.1.3        out of band                 email.go and sms.go; mail is not one of them and is treated as Weak
//	63B-4 3.1.4        one-time passwords          totp.go: one acceptance for a period, seed sealed, throttled
//	63B-4 3.1.7, 3.2.5 WebAuthn, verifier name     passkey.go: origin and RP id from public_url alone; TestPasskeyForeignOrigin, app TestPasskeysInBrowser
//	63B-4 3.2.2        100 tries at most           throttle.Config.Validate
//	63B-4 4.2          reauthentication            session's timeouts; factors.fresh; signin.Flow.StepUp
//
// Libraries: go-webauthn verifies what authenticators sign; barcode makes the modules of a QR code.
package mfa
