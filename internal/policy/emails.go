package policy

import "strings"

// emails asks for any of a list of addresses.
type emails struct {
	set  set
	text string
}

func newEmails(addresses []string) emails {
	return emails{newSet(addresses, normalEmail), anyOf("the address", "addresses", addresses)}
}

func (e emails) holds(s Subject) bool { return e.set.has(normalEmail(s.Email)) }

func (e emails) wants() string { return e.text }

func (emails) aspect() Aspect { return ByEmail }

// domains asks for an address in any of a list of mail domains, subdomains not included.
type domains struct {
	set  set
	text string
}

func newDomains(names []string) domains {
	return domains{newSet(names, normalDomain), anyOf("the mail domain", "mail domains", names)}
}

func (d domains) holds(s Subject) bool {
	_, domain, _ := strings.Cut(normalEmail(s.Email), "@")
	return domain != "" && d.set.has(domain)
}

func (d domains) wants() string { return d.text }

func (domains) aspect() Aspect { return ByDomain }

// normalEmail returns an address in lower case, or "" for what is not plainly one mailbox at one domain. "a@evil.test@corp.test"
// and quoted forms have been read both ways by different programs, so neither reading may open a door.
func normalEmail(s string) string {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || strings.ContainsAny(local, " \t\"<>(),:;\\") || normalDomain(domain) == "" {
		return ""
	}
	return lower(s)
}

// normalDomain returns a domain in lower case, or "" for what is none.
func normalDomain(s string) string {
	if s == "" || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.ContainsAny(s, "@ \t\r\n\"<>(),:;\\/*") {
		return ""
	}
	return lower(s)
}

// lower folds ASCII only. strings.ToLower turns the Kelvin sign into "k" and would make two domains one.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return lowerFrom(s, i)
		}
	}
	return s
}

func lowerFrom(s string, i int) string {
	b := []byte(s)
	for ; i < len(b); i++ {
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}
