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
//	bearer.go     which access tokens open the CRM to programs
//	ldap.go       a directory: search, then bind                                 ldapconn.go  connections, several servers
//	ldapstate.go  what the answer to a bind means                                ldapgroup.go groups and ids
//	active_directory.go                                                          client.go, backoff.go, validate.go   shared
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
//   - Access tokens of programs (bearer.go) are for an audience of their own, never the client_id, or every ID token would open the CRM. Anybody may
//     send one at any rate, so keys are fetched only for a key id that is not known. A client's own token stands for a local account only
//     where client and subject are both configured.
//   - private_key_jwt, pushed requests and refresh tokens are not here yet; Validate refuses the first.
//
// Decisions, LDAP:
//   - Two connections for each sign-in and no pool: one looks up as the service account, one binds as the person and is thrown away.
//     Sign-ins are rare, and a connection that was somebody must not serve anybody else.
//   - One bind for each submission. A server in trouble hands over to the next one, but a password that was sent is never sent
//     again, and result 49 is final: every further server would count another failure.
//   - Cleartext is refused without exception. Even on loopback there is StartTLS.
//   - What only the right password reveals (expired, must change, disabled) is said; locked is not, for it is told to anybody.
//     An unknown name costs a bind to nobody and the time that a comparison takes.
//   - The key of a person is ("ldap:" + provider id, id attribute). Names, addresses and DNs change and are given away again.
//   - An address counts as verified in the domains of the entry. "*" takes everybody's sign-in and proves nobody's address.
package provider
