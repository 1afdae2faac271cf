package identity

import (
	"errors"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// ErrWrongPassword is the one answer to a wrong name, a wrong password and a person who does not exist.
var ErrWrongPassword = errors.New("wrong name or password")

// WrongPassword is ErrWrongPassword with what the provider knows beside it, for the audit trail alone: a locked account is told to
// nobody who cannot prove to be its owner.
type WrongPassword struct {
	// Reason is a short fixed word, such as "account_locked"; empty for no more than that.
	Reason string
}

// Error returns the text of ErrWrongPassword.
func (WrongPassword) Error() string { return ErrWrongPassword.Error() }

// Is makes it ErrWrongPassword.
func (WrongPassword) Is(target error) bool { return target == ErrWrongPassword }

// ErrNothingToAsk is returned by Revalidator.Revalidate where the provider gave nothing to ask with.
var ErrNothingToAsk = errors.New("nothing to ask the provider with")

// Realms knows every provider and finds the one an address belongs to. It is immutable and safe for concurrent use.
type Realms struct {
	providers []Provider
	byID      map[string]Provider
	byEmail   map[string]Provider
	byDomain  map[string]Provider
	rest      Provider
}

// NewRealms indexes providers; their order is the order of the buttons. Where two claim one domain or address the first
// wins: package config refuses such a file before.
func NewRealms(providers ...Provider) *Realms {
	r := &Realms{providers: providers, byID: map[string]Provider{}, byEmail: map[string]Provider{}, byDomain: map[string]Provider{}}
	put := func(m map[string]Provider, key string, p Provider) {
		if _, taken := m[key]; !taken {
			m[key] = p
		}
	}
	for _, p := range providers {
		info := p.Info()
		put(r.byID, info.ID, p)
		for _, e := range info.Emails {
			put(r.byEmail, Normalize(e), p)
		}
		for _, d := range info.Domains {
			if d == "*" {
				if r.rest == nil {
					r.rest = p
				}
				continue
			}
			put(r.byDomain, strings.ToLower(d), p)
		}
	}
	return r
}

// All returns the providers in their configured order.
func (r *Realms) All() []Provider { return r.providers }

// Get returns the provider with an id.
func (r *Realms) Get(id string) (Provider, bool) { p, ok := r.byID[id]; return p, ok }

// Find returns the provider an identifier signs in at: by single address, then by domain, then by the nearest domain that the
// address's lies below, then the one that takes every domain. An identifier without a domain belongs to nobody.
func (r *Realms) Find(identifier string) (Provider, bool) {
	if p, ok := r.Owner(identifier); ok {
		return p, true
	}
	if _, ok := Domain(Normalize(identifier)); ok && r.rest != nil {
		return r.rest, true
	}
	return nil, false
}

// Owner is Find without the provider that takes every domain: it has the sign-ins that nobody else has, but owns nobody's address.
func (r *Realms) Owner(identifier string) (Provider, bool) {
	id := Normalize(identifier)
	if p, ok := r.byEmail[id]; ok {
		return p, true
	}
	domain, ok := Domain(id)
	for ok {
		if p, found := r.byDomain[domain]; found {
			return p, true
		}
		_, domain, ok = strings.Cut(domain, ".")
	}
	return nil, false
}

// Normalize brings an identifier as typed into the form that is compared and counted: NFKC, lower case, no space around.
func Normalize(identifier string) string {
	return strings.ToLower(strings.TrimSpace(norm.NFKC.String(identifier)))
}

// Domain returns the part after the only "@" of a normalized address. An identifier with none, with several, or with an
// empty side has no domain: the wrong "@" has let strangers in elsewhere (CVE-2026-40574).
func Domain(normalized string) (string, bool) {
	local, domain, ok := strings.Cut(normalized, "@")
	if !ok || local == "" || domain == "" || strings.ContainsAny(domain, "@ \t\r\n") || strings.HasSuffix(domain, ".") {
		return "", false
	}
	return domain, true
}
