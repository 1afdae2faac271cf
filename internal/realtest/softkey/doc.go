// Package softkey is an authenticator in software: it makes passkeys and answers with them as a browser would hand it on (Web
// Authentication Level 3), so that tests without a browser can also do what no browser does: come from another origin, skip the
// verification of the person, count backwards, or copy a key.
package softkey
