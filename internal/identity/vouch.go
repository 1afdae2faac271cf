package identity

import (
	"slices"
	"strings"
)

// Vouched returns the address that somebody who signs in at a provider may carry, and whether it is doubtful. An address that another
// provider is named for is not passed on: that provider alone may say who somebody at its domain is, so a partner's provider cannot
// name the customer's director. Doubtful says what the provider itself said; it stands where nobody is named for the address.
func (r *Realms) Vouched(provider, email string, doubtful bool) (string, bool) {
	owner, ok := r.Find(email)
	switch {
	case ok && owner.Info().ID == provider:
		return email, false
	case ok && named(owner.Info(), email):
		return "", true
	}
	return email, doubtful
}

// named reports whether a provider has an address because it is named for it, not because it takes every one that nobody else has.
func named(info Info, email string) bool {
	email = Normalize(email)
	domain, _ := Domain(email)
	return slices.ContainsFunc(info.Domains, func(d string) bool { return strings.EqualFold(d, domain) }) || slices.ContainsFunc(info.Emails, func(e string) bool { return Normalize(e) == email })
}
