package policy

// providers asks for a sign-in by any of a list of providers; "local" is the gateway's own passwords.
type providers struct {
	set  set
	text string
}

func newProviders(ids []string) providers {
	return providers{newSet(ids, exact), anyOf("the provider", "providers", ids)}
}

func (p providers) holds(s Subject) bool { return p.set.has(s.Provider) }

func (p providers) wants() string { return p.text }

func (providers) aspect() Aspect { return ByProvider }
