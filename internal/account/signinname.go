package account

import (
	"cmp"

	"crmgate/internal/identity"
)

// SignInName is what the person types to sign in: the address, or the user name of a local account whose address the sign-in page sends to a
// provider. A local account with such an address and no user name gets the address all the same; Stranded tells.
func (a *Account) SignInName(realms *identity.Realms) string {
	if _, elsewhere := a.addressElsewhere(realms); elsewhere && a.Username != "" {
		return a.Username
	}
	return cmp.Or(a.Email, a.Username)
}

// Stranded returns the provider that a local account's address leads to at sign-in where there is no user name to type instead.
func (a *Account) Stranded(realms *identity.Realms) (identity.Info, bool) {
	info, elsewhere := a.addressElsewhere(realms)
	return info, elsewhere && a.Username == ""
}

func (a *Account) addressElsewhere(realms *identity.Realms) (identity.Info, bool) {
	if a.Owner != OwnerLocal || a.Email == "" || realms == nil {
		return identity.Info{}, false
	}
	p, ok := realms.Find(a.Email)
	if !ok {
		return identity.Info{}, false
	}
	return p.Info(), true
}
