// Package provider owns the protocols by which corporate identity comes in: OpenID Connect and LDAP, their types (one file each),
// and the catalogue that names them. It does not own accounts (package account), the sign-in under way with its state, nonce
// and verifier (signin), sessions (session) or pages (web). What it hands out are the interfaces of package identity; no type of
// go-oidc, oauth2 or go-ldap leaves it.
//
// To add a type: a file with its preset, its validation and its opener, and a line in catalogue.go. An OpenID Provider is a
// dialect of redirector, a directory is a preset of directory.
//
// Where to find what:
//
//	oidc.go       an OpenID Provider: authorization request, sign-out, ping     entra.go okta.go google.go   their dialects
//	exchange.go   the way from the response to an identity, in order            refusal.go   every sentence when it fails
//	discovery.go  metadata: lazily, once for all, daily                          keys.go      published keys, and when to fetch them
//	verify.go     which ID tokens are ours                                       claims.go    what the claims mean
//	ldap.go       a directory: search, then bind                                 ldapconn.go  connections, several servers
//	ldapschema.go what OpenLDAP, 389 DS and FreeIPA call things, as data         ldappool.go  connections of the service account
//	ldapstate.go  what keeps somebody out, and who is told                       ldapgroup.go groups and ids
//	ldappassword.go   new passwords, and why one is refused                      ldaprevalidate.go   may somebody still be in?
//	active_directory.go   the schema, names, reasons and primary group of AD     client.go, backoff.go, validate.go   shared
//
// A further sort of directory server is a value of schema.
//
// Decisions, OpenID Connect:
//   - Nothing is asked at start-up. Discovery and keys are fetched when somebody first needs them; a failure is remembered for
//     at most five seconds and a question takes at most ten, so a provider that works again is usable within twenty.
//     Metadata and keys are renewed daily, and yesterday's help out while that fails.
//   - go-oidc checks issuer, audience, expiry and signature policy; the keys are ours, because its key set fetches once for every
//     bad token, never forgets a key, and hides whether the provider or the token is at fault.
//   - A fetch that brings the wanted key is free, so a rotation costs nothing. Useless ones are: four at once, then with
//     growing pauses up to a minute.
//   - The authentication style is set, not probed: x/oauth2's probing sends a code a second time.
//   - No redirect leads a question to another origin, and a POST nowhere. Answers over 1 MB are refused.
//   - Claims are read by exact name. encoding/json ignores case, and "SUB" must not be able to overrule "sub".
//   - email_verified counts when it is the JSON value true. Entra ID does not send it: there an address counts in the
//     domains of the entry (one tenant, whose administrator we are configured to believe) or with xms_edov.
//   - The groups claim is a string (one group, commas and all) or an array of strings; null and absent are none. Anything else, and
//     groups that were left out because there are too many, refuses the sign-in where groups are wanted: less is not
//     none where a rule keeps a group out. Overage always refuses, because a provider sends it only where an
//     administrator switched groups on. Groups are wanted when claims.groups, groups.allow or groups.map is set.
//   - The key of a person is ("iss", "sub"); for Entra ID "oid" takes the place of "sub" when "tid" is the tenant, because sub
//     changes when the application is registered anew.
//   - private_key_jwt, pushed requests and refresh tokens are not here yet; Validate refuses the first.
//
// Decisions, LDAP:
//   - Connections of the service account wait for their next use, a minute at most, and are tried before it. The one that binds as a
//     person is new each time and is thrown away: a connection that was somebody must not serve anybody else.
//   - One bind for each submission. A server in trouble hands over to the next one, but a password that was sent is never sent
//     again, and result 49 is final: every further server would count another failure.
//   - Cleartext is refused without exception. Even on loopback there is StartTLS.
//   - What only the right password reveals (expired, must change, disabled) is said; locked is not, for it is told to anybody, and 389
//     DS tells "disabled" to anybody, too. Such a reason goes to the audit trail alone. An unknown name costs a bind to nobody and
//     the time that a comparison takes.
//   - A right password is not yet a sign-in: the entry may say what the server does not look at (FreeIPA lets an expired password bind).
//     Where the server counts the sign-ins that are left, its word holds.
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
