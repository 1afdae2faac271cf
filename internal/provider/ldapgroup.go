package provider

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

const (
	// groupPage is how many groups are asked for at a time; Active Directory sends no more than a thousand.
	groupPage = 500
	// maxGroups and maxDepth bound the way through groups of groups.
	maxGroups = 2000
	maxDepth  = 20
	// wholeDN as groups.name takes a group's DN for its name.
	wholeDN = "dn"
	// ruleInChain is Active Directory's matching rule that finds groups through groups by itself (MS-ADTS 3.1.1.3.4.4.3).
	ruleInChain = "1.2.840.113556.1.4.1941"
)

// groups returns the names of a person's groups. What cannot be read in full is an error, never a shorter list.
func (d *directory) groups(service *conn, entry *ldap.Entry) ([]string, error) {
	var primary []*ldap.Entry
	var err error
	if d.schema.primaryGroup {
		if primary, err = d.primary(service, entry); err != nil {
			return nil, err
		}
	}
	if d.cfg.Groups.Base == "" {
		names, err := d.memberOf(entry)
		for _, g := range primary {
			names = append(names, d.groupName(g)...)
		}
		return names, err
	}
	found, err := d.groupsOf(service, entry.DN, entry.GetEqualFoldAttributeValue(d.cfg.Attributes.Username))
	if err != nil {
		return nil, err
	}
	found = append(found, primary...)
	if d.cfg.Groups.Nested && !strings.Contains(d.cfg.Groups.Filter, ruleInChain) {
		if found, err = d.climb(service, found); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, g := range found {
		names = append(names, d.groupName(g)...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// groupsOf returns the groups that hold a DN, or list a user name.
func (d *directory) groupsOf(service *conn, dn, username string) ([]*ldap.Entry, error) {
	// One pass: what a value holds is never taken for a placeholder.
	filter := strings.NewReplacer(holdDN, ldap.EscapeFilter(dn), holdUsername, ldap.EscapeFilter(username)).Replace(d.cfg.Groups.Filter)
	return d.searchGroups(service, d.cfg.Groups.Base, filter)
}

// searchGroups reads all groups that a filter finds, page by page. References to other servers are not followed.
func (d *directory) searchGroups(service *conn, base, filter string) ([]*ldap.Entry, error) {
	attribute := d.cfg.Groups.Name
	if strings.EqualFold(attribute, wholeDN) {
		attribute = "1.1" // none (RFC 4511 section 4.5.1.8)
	}
	req := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, int(d.cfg.Timeout.Seconds())+1,
		false, filter, []string{attribute}, nil)
	res, err := service.SearchWithPaging(req, groupPage)
	if err != nil {
		return nil, fmt.Errorf("find groups: %w", answered(err))
	}
	return res.Entries, nil
}

// climb adds the groups that hold the groups, step by step. A circle ends because each group is visited once.
func (d *directory) climb(service *conn, found []*ldap.Entry) ([]*ldap.Entry, error) {
	seen := map[string]bool{}
	for _, g := range found {
		seen[strings.ToLower(g.DN)] = true
	}
	for depth, level := 0, found; len(level) > 0; depth++ {
		if depth == maxDepth {
			return nil, fmt.Errorf("find groups: they are nested more than %d deep", maxDepth)
		}
		var next []*ldap.Entry
		for _, g := range level {
			parents, err := d.groupsOf(service, g.DN, "")
			if err != nil {
				return nil, err
			}
			for _, p := range parents {
				if key := strings.ToLower(p.DN); !seen[key] {
					seen[key] = true
					next = append(next, p)
				}
			}
		}
		found, level = append(found, next...), next
		if len(found) > maxGroups {
			return nil, fmt.Errorf("find groups: there are more than %d", maxGroups)
		}
	}
	return found, nil
}

func (d *directory) groupName(g *ldap.Entry) []string {
	if strings.EqualFold(d.cfg.Groups.Name, wholeDN) {
		return []string{g.DN}
	}
	if name := g.GetEqualFoldAttributeValue(d.cfg.Groups.Name); name != "" {
		return []string{name}
	}
	return nil
}

// memberOf reads the groups off the person's entry.
func (d *directory) memberOf(entry *ldap.Entry) ([]string, error) {
	var names []string
	for _, a := range entry.Attributes {
		// Active Directory answers in parts beyond 1500 values.
		if strings.HasPrefix(strings.ToLower(a.Name), "memberof;range=") {
			return nil, errors.New("read memberOf: there are too many groups; set groups.base")
		}
	}
	for _, dn := range entry.GetEqualFoldAttributeValues("memberOf") {
		if below := d.schema.groupsBelow; below != "" && !strings.Contains(strings.ToLower(dn), ","+below+",") {
			continue
		}
		name, err := nameInDN(dn, d.cfg.Groups.Name)
		if err != nil {
			return nil, fmt.Errorf("read memberOf: %w", err)
		}
		names = append(names, name)
	}
	return names, nil
}

// nameInDN returns the value of an attribute in the first part of a DN, or of whatever stands there.
func nameInDN(dn, attribute string) (string, error) {
	if strings.EqualFold(attribute, wholeDN) {
		return dn, nil
	}
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return "", fmt.Errorf("parse DN: %w", err)
	}
	if len(parsed.RDNs) == 0 || len(parsed.RDNs[0].Attributes) == 0 {
		return "", errors.New("parse DN: it is empty")
	}
	first := parsed.RDNs[0].Attributes
	for _, a := range first {
		if strings.EqualFold(a.Type, attribute) {
			return a.Value, nil
		}
	}
	return first[0].Value, nil
}

// stableID writes an id attribute as text: objectGUID as Windows prints it (the first three fields little-endian, MS-DTYP 2.3.4),
// text as it is, other bytes in hexadecimal.
func stableID(attribute string, raw []byte) string {
	if strings.EqualFold(attribute, "objectGUID") && len(raw) == 16 {
		return fmt.Sprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%x-%x",
			raw[3], raw[2], raw[1], raw[0], raw[5], raw[4], raw[7], raw[6], raw[8:10], raw[10:])
	}
	if utf8.Valid(raw) && !strings.ContainsFunc(string(raw), isControl) {
		return string(raw)
	}
	return hex.EncodeToString(raw)
}
