package identity

// Vouched returns the address that somebody who signs in at a provider may carry, and whether it is doubtful. An address that belongs to
// another provider is not passed on: that provider alone may say who somebody at its domain is, so a partner's provider cannot name the
// customer's director. Doubtful is what the provider itself said; it stands where the address belongs to nobody.
func (r *Realms) Vouched(provider, email string, doubtful bool) (string, bool) {
	owner, ok := r.Owner(email)
	switch {
	case ok && owner.Info().ID == provider:
		return email, false
	case ok:
		return "", true
	}
	return email, doubtful
}
