package provider

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The values of Config.Schema. Empty is schemaOpenLDAP; Active Directory has a type of its own.
const (
	schemaOpenLDAP = "openldap"
	schema389DS    = "389ds"
	schemaFreeIPA  = "freeipa"
)

// schema is what one sort of directory server calls things. A new sort is a value of this type.
type schema struct {
	// attributes, userFilter, groupFilter and groupName stand where the administrator left them empty.
	attributes             AttributesConfig
	userFilter             string
	groupFilter, groupName string
	// groupsBelow is what the DN of a group in memberOf ends with, but for the directory's suffix; others there are no groups. Empty
	// takes every DN.
	groupsBelow string
	// signs are what an entry says about its person besides the password. An attribute that the service account may not read says
	// nothing.
	signs []sign
	// expires is the attribute with the end of the password, read by when. Empty leaves that to the password policy control.
	expires string
	when    func(string) (time.Time, bool)
	// primaryGroup is true where one group of everybody is not a member attribute but a number (Active Directory).
	primaryGroup bool
}

// sign is an attribute that speaks against a person.
type sign struct {
	attribute string
	means     state
	// holds judges one value.
	holds func(value string, now time.Time) bool
}

// schemas returns what type ldap can be told to expect.
func schemas() map[string]schema {
	person := AttributesConfig{ID: "entryUUID", Username: "uid", Email: "mail", Name: "cn"}
	with := func(id string) AttributesConfig { a := person; a.ID = id; return a }
	return map[string]schema{
		// draft-behera-ldap-password-policy section 5.3, and slapo-ppolicy(5).
		schemaOpenLDAP: {
			attributes:  person,
			userFilter:  "(&(objectClass=inetOrgPerson)(|(uid={login})(mail={login})))",
			groupFilter: "(|(member={dn})(uniqueMember={dn}))", groupName: "cn",
			signs: []sign{
				{"pwdAccountLockedTime", stateLocked, is("000001010000Z")}, // until an administrator unlocks; a time is for a while
				{"pwdEndTime", stateEnded, past},
				{"shadowExpire", stateEnded, pastDays},
				{"pwdReset", stateMustChange, isTrue},
			},
		},
		// Red Hat Directory Server, Administration Guide, "Managing the Password Policy" and "Manually Inactivating Users".
		schema389DS: {
			attributes:  with("nsUniqueId"),
			userFilter:  "(&(objectClass=inetOrgPerson)(|(uid={login})(mail={login})))",
			groupFilter: "(|(member={dn})(uniqueMember={dn}))", groupName: "cn",
			signs: []sign{
				{"nsAccountLock", stateDisabled, isTrue},
				{"accountUnlockTime", stateLocked, is(epoch)},
				{"passwordExpirationTime", stateMustChange, is(epoch)}, // an administrator's reset; a real end is the server's to judge
			},
			expires: "passwordExpirationTime", when: generalizedTime,
		},
		// FreeIPA lets a bind with an expired password succeed unless a grace limit is set, so its times are looked at here.
		schemaFreeIPA: {
			attributes:  with("ipaUniqueID"),
			userFilter:  "(&(objectClass=posixAccount)(|(uid={login})(mail={login})))",
			groupFilter: "(&(objectClass=groupOfNames)(member={dn}))", groupName: "cn",
			groupsBelow: "cn=groups,cn=accounts", // beside them memberOf has roles, and rules for hosts and sudo
			signs: []sign{
				{"nsAccountLock", stateDisabled, isTrue},
				{"krbPrincipalExpiration", stateEnded, past},
				{"krbPasswordExpiration", stateExpired, past},
			},
			expires: "krbPasswordExpiration", when: generalizedTime,
		},
	}
}

// schemaNames returns the values of Config.Schema.
func schemaNames() []string { return slices.Sorted(maps.Keys(schemas())) }

// fill puts the schema's names where the administrator left them empty.
func (s schema) fill(c Config) Config {
	c.UserFilter = cmp.Or(c.UserFilter, s.userFilter)
	c.Attributes.ID = cmp.Or(c.Attributes.ID, s.attributes.ID)
	c.Attributes.Username = cmp.Or(c.Attributes.Username, s.attributes.Username)
	c.Attributes.Email = cmp.Or(c.Attributes.Email, s.attributes.Email)
	c.Attributes.Name = cmp.Or(c.Attributes.Name, s.attributes.Name)
	c.Groups.Filter = cmp.Or(c.Groups.Filter, s.groupFilter)
	c.Groups.Name = cmp.Or(c.Groups.Name, s.groupName)
	return c
}

// reads returns the attributes that signs and expires need.
func (s schema) reads() []string {
	var all []string
	for _, g := range s.signs {
		all = append(all, g.attribute)
	}
	if s.expires != "" {
		all = append(all, s.expires)
	}
	if s.primaryGroup {
		all = append(all, "objectSid", "primaryGroupID")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// epoch is how 389 Directory Server writes "never again until an administrator acts".
const epoch = "19700101000000Z"

func is(want string) func(string, time.Time) bool {
	return func(value string, _ time.Time) bool { return value == want }
}

func isTrue(value string, _ time.Time) bool { return strings.EqualFold(value, "true") }

func past(value string, now time.Time) bool {
	end, ok := generalizedTime(value)
	return ok && !end.After(now)
}

// pastDays reads days since 1970 (RFC 2307 section 2.1); nothing above zero is no end.
func pastDays(value string, now time.Time) bool {
	days, err := strconv.ParseInt(value, 10, 32)
	return err == nil && days > 0 && !time.Unix(days*24*60*60, 0).After(now)
}

// generalizedTime reads the usual forms of RFC 4517 section 3.3.13.
func generalizedTime(value string) (time.Time, bool) {
	for _, layout := range []string{"20060102150405Z", "20060102150405.999999999Z", "200601021504Z", "20060102150405Z0700", "2006010215Z"} {
		if t, err := time.Parse(layout, value); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
