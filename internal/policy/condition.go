package policy

import "strings"

// condition is one of the things an `allow` can ask for. A new one is a file with its type and a line in conditions.
type condition interface {
	// holds reports whether a signed-in subject fulfils it.
	holds(s Subject) bool
	// wants completes the sentence "this rule wants ...".
	wants() string
	// aspect is what it looks at.
	aspect() Aspect
}

// conditions returns those that a rule sets. A list with nothing usable in it is a condition that never holds.
func conditions(a Allow) []condition {
	var cs []condition
	if len(a.Groups) > 0 {
		cs = append(cs, newGroups(a.Groups))
	}
	if len(a.Emails) > 0 {
		cs = append(cs, newEmails(a.Emails))
	}
	if len(a.Domains) > 0 {
		cs = append(cs, newDomains(a.Domains))
	}
	if len(a.Providers) > 0 {
		cs = append(cs, newProviders(a.Providers))
	}
	if len(a.Networks) > 0 {
		cs = append(cs, newNetworks(a.Networks))
	}
	if len(a.Hours) > 0 {
		cs = append(cs, newHours(a.Hours))
	}
	return cs
}

// set is a set of words without the empty one.
type set map[string]struct{}

func newSet(words []string, normal func(string) string) set {
	s := set{}
	for _, w := range words {
		if w = normal(w); w != "" {
			s[w] = struct{}{}
		}
	}
	return s
}

func (s set) has(word string) bool { _, ok := s[word]; return ok }

func exact(s string) string { return s }

// anyOf names a list in a sentence.
func anyOf(one, several string, words []string) string {
	if len(words) == 1 {
		return one + " " + words[0]
	}
	return "one of the " + several + " " + strings.Join(words, ", ")
}
