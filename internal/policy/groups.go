package policy

// groups asks for membership in any of a list of groups, compared exactly: group names are ids in many directories.
type groups struct {
	set  set
	text string
}

func newGroups(names []string) groups {
	return groups{newSet(names, exact), anyOf("the group", "groups", names)}
}

func (g groups) holds(s Subject) bool {
	for _, name := range s.Groups {
		if g.set.has(name) {
			return true
		}
	}
	return false
}

func (g groups) wants() string { return g.text }

func (groups) aspect() Aspect { return ByGroup }
