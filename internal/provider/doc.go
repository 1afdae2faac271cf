// Package provider owns the protocols by which corporate identity comes in: OpenID Connect and LDAP, one file per kind, and the
// catalogue that names them. It does not own accounts, sessions or pages.
package provider
