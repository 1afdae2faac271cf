// Package identity owns what a provider asserts about a person, and the small contracts a provider can fulfil. It does not
// own accounts (package account) nor any protocol (package provider).
//
// It also owns the knowledge "where does this address sign in, and where is its password reset": Realms. The sign-in page,
// the reset page, the help page and /.well-known/change-password all ask the same Realms, so they cannot disagree.
//
// Decisions:
//   - A provider's abilities are separate interfaces found by assertion (Redirector, PasswordChecker, SignOuter), so a
//     directory never carries empty OpenID methods.
//   - An address is only a hint for routing. The key of a person is (provider, issuer, subject), never the address.
//
// Libraries: x/text/unicode/norm, because one address typed on two keyboards is one address.
package identity
