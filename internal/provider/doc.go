// Package provider owns the protocols by which corporate identity comes in: OpenID Connect and LDAP, their types (one file each),
// and the catalogue that names them. It does not own accounts (package account), the sign-in under way with its state, nonce
// and verifier (signin), sessions (session) or pages (web). What it hands out are the interfaces of package identity; no type of
// go-oidc, oauth2 or go-ldap leaves it.
//
// To add a type of provider, take the smallest of these that will do:
//   - An OpenID Provider that keeps to the standard, with addresses and names of its own: a file below presets, and no code (preset.go).
//   - One that departs from the standard: a file with its preset, its validation and its opener, and a line in catalogue.go. What it does in
//     another way is a dialect of redirector (entra.go is the longest example, google.go a short one).
//   - A sort of directory server: a value of schema (ldapschema.go).
//
// Where to find what:
//
//	oidc.go       an OpenID Provider: what it is made of, sign-out, ping         entra.go okta.go google.go   their dialects
//	request.go    the authorization request, also pushed ahead                   presets/     dialects that are data, one file each
//	exchange.go   the way from the response to an identity, in order            refusal.go   every sentence when it fails
//	revalidate.go asking again with a refresh token                              logout.go    who has signed out at the provider
//	token_endpoint.go, client_auth.go   what is sent to it, and who says so      userinfo.go  claims that the ID token lacks
//	discovery.go  metadata: lazily, once for all, daily                          keys.go      published keys, and when to fetch them
//	verify.go     which ID tokens are ours                                       claims.go    what the claims mean
//	entratenants.go  several tenants behind one button                           graph.go googlegroups.go groupsapi.go memory.go   groups that tokens do not hold
//	oktalogout.go Universal Logout: all sessions of a person                     refusaltable.go refusalfind.go   what codes mean, and finding them
//	bearer.go     which access tokens open the CRM to programs
//	github.go     OAuth 2.0 without OpenID Connect                               preset.go    how a preset file is read
//	ldap.go       a directory: search, then bind                                 ldapconn.go  connections, several servers
//	ldapschema.go what OpenLDAP, 389 DS and FreeIPA call things, as data         ldappool.go  connections of the service account
//	ldapstate.go  what keeps somebody out, and who is told                       ldapgroup.go groups and ids
//	ldappassword.go   new passwords, and why one is refused                      ldaprevalidate.go   may somebody still be in?
//	active_directory.go   the schema, names, reasons and primary group of AD     client.go, backoff.go, validate.go   shared
//
// Decisions, OpenID Connect:
//   - Nothing is asked at start-up. Discovery and keys are fetched when somebody first needs them; a failure is remembered for
//     at most five seconds and a question takes at most ten, so a provider that works again is usable within twenty.
//     Metadata and keys are renewed daily, and yesterday's help out while that fails.
//   - go-oidc checks issuer, audience, expiry and signature policy; the keys are ours, because its key set fetches once for every
//     bad token, never forgets a key, and hides whether the provider or the token is at fault.
//   - Keys are fetched at once for a key id that is not known, and a fetch that brings the wanted key is free, so a rotation costs nothing.
//     Useless fetches have a budget (keybudget.go): three at once, then one for eight bad tokens and in five seconds. What strangers can
//     send (logout and access tokens) has another budget than what the provider answers with, so a flood does not delay anybody's sign-in; what the provider's
//     own tokens cost is taken from both.
//   - The token endpoint is asked by our own code: x/oauth2 knows no client assertions, cannot refresh as configured, and probes
//     authentication styles by sending a code a second time.
//   - An assertion is addressed to the token endpoint, as OpenID Connect Core section 9 has it, or to the issuer where a preset says so.
//   - A request is pushed ahead where the provider offers that. It is an extra: where only that fails, the browser carries the request.
//   - offline_access is asked for where the provider lists it and revalidate is on; without a use for it a refresh token is not even kept.
//     A refreshed ID token passes every check of the first one but the nonce, and must be about the same person of the same issuer.
//     invalid_grant ends the session; what is about the client or about nothing leaves it to the grace.
//   - Where the provider has exchanged a refresh token and something fails after that, the new one is returned beside the error: the old one
//     is worth nothing any more.
//   - max_age and acr_values are looked at in the answer; a provider need not heed a request.
//   - A logout token may be five minutes old. It must say typ logout+jwt, JWT or nothing: Auth0 says JWT.
//   - No redirect leads a question to another origin, and a POST nowhere. Answers over 1 MB are refused.
//   - Claims are read by exact name. encoding/json ignores case, and "SUB" must not be able to overrule "sub".
//   - email_verified counts when it is the JSON value true. Entra ID does not send it: there an address counts in the
//     domains of the entry (one tenant, whose administrator we are configured to believe) or with xms_edov, which comes as
//     true, 1 or either as a string. With several tenants only xms_edov counts: one could claim the addresses of the other.
//   - The groups claim is a string (one group, commas and all) or an array of strings; null and absent are none. Where groups are wanted
//     (claims.groups, groups.allow or groups.map is set, or an access rule names a group), a claim of any other form refuses the sign-in,
//     and so do groups that were left out because there are too many. To go on without them would let people past a rule that keeps
//     their group out.
//   - Overage is resolved through Microsoft Graph where the entry is Entra ID, and refuses everywhere else, also where Graph will not
//     answer: a provider sends it only where an administrator switched groups on. The address is ours, never the one in
//     _claim_sources; further pages stay below it. The person's token is tried first (User.Read needs no administrator), then one of the
//     application. What may not be read is no answer. Google's groups come the same way, by a service account, and always where that is set up.
//     Answers are believed for three minutes; failures are not remembered. Okta leaves out what is beyond 100 groups and says
//     nothing: that is logged and let through, because it cannot be told from somebody who is in exactly 100.
//   - The key of a person is ("iss", "sub"); for Entra ID "oid" takes the place of "sub" when "tid" is an allowed tenant, because sub
//     changes when the application is registered anew. The tenant is in the issuer, so (tid, oid) is the key, and an entry that one tenant was
//     enough for keeps its links when others join it.
//   - Several tenants of Entra ID: the browser goes to the door for all organisations, the token's tid only chooses among the listed tenants, and the
//     token is then held against that tenant's issuer, byte for byte, and that tenant's keys. No check of the library is switched off.
//     The tenant of private accounts cannot be listed.
//   - A refusal is explained by the provider's own code where the table has it, else by the standard's error. Of a description only what
//     has the form of a code or of a case's id is ever shown. Explain finds codes for people who type them; it answers from the table alone and
//     returns nothing that was typed.
//   - pwd_url is believed on Microsoft's hosts and the entry's own reset page, and not at all where the administrator wrote change_url.
//   - Universal Logout is believed from the organisation's own keys, for exactly our address, ten minutes at most and once.
//   - Access tokens of programs (bearer.go) are for an audience of their own, never the client_id, or every ID token would open the CRM. Anybody may
//     send one at any rate, so keys are fetched only for a key id that is not known. A client's own token stands for a local account only
//     where client and subject are both configured.
//
// Libraries: go-oidc reads discovery and checks the claims that every relying party must check; go-jose verifies signatures with the keys that
// we fetch and signs our assertions, and is in go-oidc's graph anyway; x/oauth2 makes the PKCE challenge; x/sync/singleflight lets all who wait
// for one question share the answer. go-ldap speaks LDAP, and asn1-ber, which it is built on, writes the one request that it has no type for.
//
// The relying-party tests of the OpenID Foundation's conformance suite, and ours that hold the same. Profiles basic, form post and config;
// logout: RP-initiated, back-channel, front-channel; refresh tokens. A name after the slash is the case, one before the dot another package.
// A test makes sure that every one of them is there.
//
//	oidcc-client-test                                            TestSignIn
//	oidcc-client-test-invalid-iss                                TestBadIDTokensAreRefused/iss wrong
//	oidcc-client-test-missing-sub                                TestBadIDTokensAreRefused/sub missing
//	oidcc-client-test-invalid-aud                                TestBadIDTokensAreRefused/aud wrong
//	oidcc-client-test-missing-aud                                TestBadIDTokensAreRefused/aud missing
//	oidcc-client-test-missing-iat                                TestMoreBadIDTokens/iat missing
//	oidcc-client-test-kid-absent-single-jwks                     TestKeysWithoutNames/one key
//	oidcc-client-test-kid-absent-multiple-jwks                   TestKeysWithoutNames/several keys
//	oidcc-client-test-ignores-unparseable-key-in-jwks            TestKeysThatAreNotForUs
//	oidcc-client-test-idtoken-sig-rs256                          TestAlgorithms
//	oidcc-client-test-signing-algorithms                         TestAlgorithms
//	oidcc-client-test-idtoken-sig-none                           TestBadIDTokensAreRefused/alg none
//	oidcc-client-test-invalid-sig-rs256                          TestBrokenSignatures/RS256
//	oidcc-client-test-invalid-sig-es256                          TestBrokenSignatures/ES256
//	oidcc-client-test-invalid-sig-hs256                          TestBadIDTokensAreRefused/HS256 under the client secret
//	oidcc-client-test-invalid-athash                             TestMoreBadIDTokens/at_hash of another token
//	oidcc-client-test-missing-athash                             TestMoreGoodIDTokens/at_hash missing
//	oidcc-client-test-nonce-invalid                              TestBadIDTokensAreRefused/nonce wrong
//	oidcc-client-test-nonce-unless-code-flow                     TestAuthURL/plain
//	oidcc-client-test-userinfo-invalid-sub                       TestBadUserinfo
//	oidcc-client-test-userinfo-bearer-header                     TestUserinfoIsAskedWithTheHeader
//	oidcc-client-test-userinfo-signed                            TestSignedUserinfo/good
//	oidcc-client-test-scope-userinfo-claims                      TestOddClaims
//	oidcc-client-test-distributed-claims                         TestOddClaims/groups over the limit
//	oidcc-client-test-client-secret-basic                        TestClientAuth
//	oidcc-client-test with response_mode=form_post               app.TestFormPostInBrowser
//	oidcc-client-test-form-post-error                            TestFormPostError
//	oidcc-client-test-discovery-openid-config                    TestSignIn
//	oidcc-client-test-discovery-issuer-mismatch                  TestBadDiscovery/issuer differs
//	oidcc-client-test-discovery-jwks-uri-keys                    TestPing
//	oidcc-client-test-signing-key-rotation                       TestKeyRotation
//	oidcc-client-test-signing-key-rotation-just-before-signing   TestKeysRotateBeforeTheSignature
//	oidcc-client-test-refresh-token                              TestRevalidate
//	oidcc-client-test-refresh-token-invalid-issuer               TestRevalidateEnds/iss wrong
//	oidcc-client-test-refresh-token-invalid-sub                  TestRevalidateEnds/sub of another
//	oidcc-client-test-refresh-token-invalid-aud                  TestRevalidateEnds/aud wrong
//	oidcc-client-test-refresh-token-invalid-azp                  TestRevalidateEnds/azp wrong
//	oidcc-client-test-rp-init-logout                             TestSignOutURL
//	oidcc-client-test-rp-init-logout-other-state                 signin.TestSignOutState/changed
//	oidcc-client-test-rp-init-logout-no-state                    signin.TestSignOutState/none
//	oidcc-client-test-rp-backchannel-rpinitlogout                TestLogoutTokens/session
//	oidcc-client-test-rp-backchannel-rpinitlogout-alg-none       TestLogoutTokens/alg none
//	oidcc-client-test-rp-backchannel-rpinitlogout-no-event       TestLogoutTokens/events missing
//	oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce     TestLogoutTokens/nonce
//	oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg      TestLogoutTokens/HS256 under the secret
//	oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud      TestLogoutTokens/aud wrong
//	oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event    TestLogoutTokens/another event
//	oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss      TestLogoutTokens/iss wrong
//	oidcc-client-test-rp-frontchannel-rpinitlogout               TestFrontChannelLogout/issuer and session
//	oidcc-client-test-rp-frontchannel-opinitlogout               TestFrontChannelLogout/issuer and session
//
// Not ours: WebFinger and dynamic registration (an administrator names issuer and client), request objects, aggregated claims (nothing is
// read from a token inside the token), c_hash, implicit and hybrid flows, session management by iframe, and mTLS aliases.
//
// Decisions, LDAP:
//   - Connections of the service account wait for their next use, a minute at most, and are tried before it. The one that binds as a
//     person is new each time and is thrown away: a connection that was somebody must not serve anybody else.
//   - One bind for each time that somebody submits the form. While nothing was sent, a server in trouble hands over to the next one. Once the
//     password was sent it is never sent again, and "invalid credentials" (result 49) is final: every further server would count another
//     failure, and lock the account early.
//   - Cleartext is refused without exception. Even on loopback there is StartTLS.
//   - What a directory reveals only to the right password (expired, must be changed, disabled) is shown to the person. What it reveals to
//     anybody who tries a password goes to the audit trail alone: that an account is locked, and with 389 DS that it is disabled.
//   - An unknown name costs as much as a known one: a bind as somebody who does not exist, and the time that the directory usually takes to
//     compare a password (pace).
//   - A right password is not yet a sign-in, because the entry may speak against its person where the server does not look: FreeIPA lets an
//     expired password bind. Where the server says that it lets an expired password in a few more times (grace), that holds.
//   - A password is changed with the old one: as the person, or, where the directory lets nobody in before the change, as the service
//     account with the old one beside the new. So Active Directory needs no further right for that account, and OpenLDAP one. A change
//     is sent once; whether one that broke off was done, the person finds out by signing in.
//   - Why a new password is refused is read from the policy control or from the server's words and said in ours. Windows does not say;
//     there the domain's rules are told instead.
//   - A live session ends when its person could not sign in again: gone, out of user_filter, disabled, expired, must change. Not by a
//     lock that ends by itself, or a stranger who guesses could throw people out.
//   - The key in Active Directory is objectGUID. Its primary group counts, and groups of groups come by its own rule (1941) rather than
//     tokenGroups, which holds security groups alone and needs each SID looked up.
//   - References to other servers are not followed: the root of every domain answers with some.
//   - The key of a person is ("ldap:" + provider id, id attribute). Names, addresses and DNs change and are given away again.
//   - An address counts as verified in the domains of the entry. "*" takes everybody's sign-in and proves nobody's address.
package provider
