package provider

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Active Directory is an LDAP directory with its own names, times and reasons. The person is keyed by objectGUID, and may type the
// user principal name, DOMAIN\name, the bare name or the mail address.

func activeDirectory() schema {
	return schema{
		attributes:  AttributesConfig{ID: "objectGUID", Username: "sAMAccountName", Email: "mail", Name: "displayName"},
		userFilter:  "(&(objectCategory=person)(objectClass=user)(|(userPrincipalName={login})(sAMAccountName={name})(mail={login})))",
		groupFilter: "(&(objectClass=group)(member={dn}))", groupName: "cn",
		signs: []sign{
			// MS-ADTS 2.2.16, MS-ADA1 2.1, MS-ADTS 3.1.1.4.5.34.
			{"userAccountControl", stateDisabled, hasBit(0x2)},
			{"accountExpires", stateEnded, func(v string, now time.Time) bool { end, ok := fileTime(v); return ok && !end.After(now) }},
			{"msDS-UserPasswordExpiryTimeComputed", stateMustChange, is("0")},
			{"msDS-UserPasswordExpiryTimeComputed", stateExpired, func(v string, now time.Time) bool { end, ok := fileTime(v); return ok && !end.After(now) }},
		},
		expires: "msDS-UserPasswordExpiryTimeComputed", when: fileTime,
		primaryGroup: true,
	}
}

func presetActiveDirectory(c Config) Config {
	s := activeDirectory()
	if c.Groups.Nested {
		s.groupFilter = "(&(objectClass=group)(member:" + ruleInChain + ":={dn}))"
		if c.Groups.Base == "" {
			c.Groups.Base = domainBase(c.UserBase)
		}
	}
	return s.fill(c)
}

// validateActiveDirectory takes any form of service account that AD binds: a DN, name@domain or DOMAIN\name.
func validateActiveDirectory(c Config, p *fault.Problems) {
	if c.Schema != "" {
		p.Add("schema", "Leave it out.", "Active Directory has only its own schema")
	}
	validateDirectory(c, []string{holdLogin, holdName}, p)
}

func openActiveDirectory(c Config, env Env) (identity.Provider, error) {
	d, err := newDirectory(c, env, activeDirectory())
	if err != nil {
		return nil, err
	}
	suffix := "@" + domainName(c.UserBase)
	d.names = func(typed string) (login, name string) { return accountName(typed, suffix) }
	d.bindState, d.setPassword = bindState, unicodePwd
	return d, nil
}

// accountName turns what people type into the forms that the filter looks for. DOMAIN\name loses its domain, for the search finds one
// directory's people anyway; name@the.domain is everybody's name there, also of those who have another principal name or none
// (MS-ADTS 5.1.1.1.1).
func accountName(typed, suffix string) (login, name string) {
	if _, short, ok := strings.Cut(typed, `\`); ok {
		typed = short
	}
	if cut := len(typed) - len(suffix); cut > 0 && strings.EqualFold(typed[cut:], suffix) {
		return typed, typed[:cut]
	}
	return typed, typed
}

// domainBase returns the part of a DN that names the domain: dc=corp,dc=example.
func domainBase(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return dn
	}
	for i, rdn := range parsed.RDNs {
		if len(rdn.Attributes) == 1 && strings.EqualFold(rdn.Attributes[0].Type, "dc") {
			return (&ldap.DN{RDNs: parsed.RDNs[i:]}).String()
		}
	}
	return dn
}

// domainName returns the name of the domain that a DN lies in: corp.example.
func domainName(dn string) string {
	parsed, err := ldap.ParseDN(domainBase(dn))
	if err != nil {
		return ""
	}
	var labels []string
	for _, rdn := range parsed.RDNs {
		if strings.EqualFold(rdn.Attributes[0].Type, "dc") {
			labels = append(labels, rdn.Attributes[0].Value)
		}
	}
	return strings.Join(labels, ".")
}

// bindReason finds the reason that Active Directory hides in the text of result 49.
var bindReason = regexp.MustCompile(`AcceptSecurityContext error, data ([0-9a-fA-F]+)`)

// bindState names the states of Active Directory. 525 (nobody has that name) and 52e (wrong password) are none; all others but 775
// come only after the right password.
func bindState(text string) state {
	found := bindReason.FindStringSubmatch(text)
	if found == nil {
		return stateGood
	}
	switch strings.ToLower(found[1]) {
	case "530":
		return stateHours
	case "531":
		return statePlace
	case "532":
		return stateExpired
	case "533":
		return stateDisabled
	case "701":
		return stateEnded
	case "773":
		return stateMustChange
	case "775":
		return stateLocked
	}
	return stateGood
}

// primary returns the one group that Active Directory keeps as a number beside the person: the domain's SID with that number at its end
// (MS-ADA3 2.120). Where it stands outside groups.base it does not count, but groups below the base that hold it do.
func (d *directory) primary(service *conn, entry *ldap.Entry) ([]*ldap.Entry, error) {
	sid := groupSID(entry.GetEqualFoldRawAttributeValue("objectSid"), entry.GetEqualFoldAttributeValue("primaryGroupID"))
	if sid == nil {
		return nil, nil
	}
	base := d.cfg.Groups.Base
	found, err := d.searchGroups(service, domainBase(d.cfg.UserBase), "(objectSid="+escapeBytes(sid)+")")
	if err != nil || len(found) != 1 {
		return nil, err
	}
	dn := found[0].DN
	if base != "" && !within(dn, base) {
		found = nil
	}
	if !d.cfg.Groups.Nested {
		return found, nil
	}
	above, err := d.groupsOf(service, dn, "")
	return append(found, above...), err
}

// groupSID replaces the last number of a SID (MS-DTYP 2.4.2.2); nil where there is none.
func groupSID(person []byte, rid string) []byte {
	n, err := strconv.ParseUint(rid, 10, 32)
	if err != nil || len(person) < 12 || len(person) != 8+4*int(person[1]) {
		return nil
	}
	return binary.LittleEndian.AppendUint32(append([]byte{}, person[:len(person)-4]...), uint32(n))
}

// within reports whether a DN stands below a base.
func within(dn, base string) bool {
	d, err := ldap.ParseDN(dn)
	if err != nil {
		return false
	}
	b, err := ldap.ParseDN(base)
	return err == nil && b.AncestorOfFold(d)
}

// fileTime reads a time of Windows: 100 ns since 1601. Zero and the largest number are never.
func fileTime(value string) (time.Time, bool) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n <= 0 || n == 1<<63-1 {
		return time.Time{}, false
	}
	const perSecond, before1970 = 10_000_000, 11_644_473_600
	return time.Unix(n/perSecond-before1970, n%perSecond*100), true
}

func hasBit(bit int64) func(string, time.Time) bool {
	return func(value string, _ time.Time) bool {
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && n&bit != 0
	}
}

// adRules says in words what the domain asks of a new password, for its refusals do not say what was wrong; "" where that cannot be
// read, or where the person has a policy of their own.
func adRules(c *conn, domain string) string {
	res, err := c.Search(ldap.NewSearchRequest(domain, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)",
		[]string{"minPwdLength", "pwdHistoryLength", "pwdProperties", "minPwdAge"}, nil))
	if err != nil || len(res.Entries) != 1 {
		return ""
	}
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(res.Entries[0].GetEqualFoldAttributeValue(name), 10, 64)
		return n
	}
	var rules []string
	if n := number("minPwdLength"); n > 0 {
		rules = append(rules, fmt.Sprintf("at least %d characters", n))
	}
	if number("pwdProperties")&1 != 0 {
		rules = append(rules, "three of these four: capital letters, small letters, digits, symbols", "no part of your name")
	}
	if n := number("pwdHistoryLength"); n > 0 {
		rules = append(rules, fmt.Sprintf("none of your last %d passwords", n))
	}
	if days := -number("minPwdAge") / (24 * 60 * 60 * 10_000_000); days > 0 {
		rules = append(rules, fmt.Sprintf("no change within %d days of the last", days))
	}
	return strings.Join(rules, "; ")
}
