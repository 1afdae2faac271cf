package policy

import (
	"fmt"
	"strings"

	"crmgate/internal/fault"
)

// AdminsConfig is the `admins` section.
type AdminsConfig struct {
	Groups []string `json:"groups" jsonschema:"Members of these groups administer the gateway."`
	Emails []string `json:"emails" jsonschema:"These people administer the gateway."`
}

// Validate names every fault.
func (c AdminsConfig) Validate() fault.Problems {
	var ps fault.Problems
	entries(&ps, "groups", c.Groups, func(s string) bool { return strings.TrimSpace(s) != "" }, "An empty group would be nobody's.")
	for i, s := range c.Emails {
		if normalEmail(s) == "" {
			ps.Add(fmt.Sprintf("emails[%d]", i), "Write one address, such as ann@example.com.", "%q is not an e-mail address", s)
		}
	}
	return ps
}

// Admins knows who administers the gateway. The zero value knows nobody.
type Admins struct {
	groups groups
	emails emails
}

// NewAdmins compiles the section.
func NewAdmins(c AdminsConfig) Admins { return Admins{newGroups(c.Groups), newEmails(c.Emails)} }

// IsAdmin reports whether somebody who is signed in is in either list.
func (a Admins) IsAdmin(s Subject) bool {
	return s.SignedIn && (a.groups.holds(s) || a.emails.holds(s))
}
