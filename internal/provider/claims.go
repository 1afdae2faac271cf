package provider

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"crmgate/internal/identity"
)

// claims are the members of an ID token or of a userinfo answer.
type claims map[string]json.RawMessage

// text returns a claim that is a string.
func (c claims) text(name string) (string, bool) {
	var s *string
	if json.Unmarshal(c[name], &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// isTrue reports whether a claim is the JSON value true. A string "true" or a 1 is not: what a provider means by them differs.
func (c claims) isTrue(name string) bool { return string(c[name]) == "true" }

// texts returns the strings of an array of strings.
func (c claims) texts(name string) []string {
	var list []string
	if json.Unmarshal(c[name], &list) != nil {
		return nil
	}
	return list
}

// has reports whether a claim is there and not null.
func (c claims) has(name string) bool {
	raw, ok := c[name]
	return ok && string(raw) != "null"
}

// seconds returns a claim that is a NumericDate (RFC 7519 section 2); zero where it is none.
func (c claims) seconds(name string) time.Time {
	var n float64
	if json.Unmarshal(c[name], &n) != nil || n <= 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0)
}

// errGroupsShape is a groups claim that is neither a name nor a list of names.
var errGroupsShape = errors.New("the groups are neither a name nor a list of names")

// groups reads a groups claim. A string is one group, however many commas it has: whoever names a group must not be able to
// join another by a comma. An array holds one group per string. Absent and null are none. Anything else is errGroupsShape.
func (c claims) groups(name string) ([]string, error) {
	if !c.has(name) {
		return nil, nil
	}
	var one string
	var list []*string
	if json.Unmarshal(c[name], &one) == nil {
		list = []*string{&one}
	} else if json.Unmarshal(c[name], &list) != nil {
		return nil, errGroupsShape
	}
	var out []string
	for _, g := range list {
		if g == nil || strings.ContainsFunc(*g, isControl) {
			return nil, errGroupsShape
		}
		if *g != "" {
			out = append(out, *g)
		}
	}
	return out, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// overage reports whether a claim is left out because it would be too large (OpenID Connect Core section 5.6.2; Entra ID does
// so beyond 200 groups). Absent does not mean empty then.
func (c claims) overage(name string) bool {
	var elsewhere map[string]json.RawMessage
	if json.Unmarshal(c["_claim_names"], &elsewhere) == nil {
		if _, ok := elsewhere[name]; ok {
			return true
		}
	}
	return name == defaultGroupsClaim && c.isTrue("hasgroups")
}

// The standard's names of claims.
const (
	defaultGroupsClaim   = "groups"
	defaultEmailClaim    = "email"
	defaultNameClaim     = "name"
	defaultUsernameClaim = "preferred_username"
)

// resolve fills in the type's names, and the standard's.
func (c ClaimsConfig) resolve(own ClaimsConfig) ClaimsConfig {
	return ClaimsConfig{
		Groups:   cmp.Or(c.Groups, own.Groups, defaultGroupsClaim),
		Email:    cmp.Or(c.Email, own.Email, defaultEmailClaim),
		Name:     cmp.Or(c.Name, own.Name, defaultNameClaim),
		Username: cmp.Or(c.Username, own.Username, defaultUsernameClaim),
	}
}

// keysAsGroups turns a groups claim that is an object into the list of its keys, in their order. Everything else stays as it is.
func (c claims) keysAsGroups(name string) claims {
	var object map[string]json.RawMessage
	if json.Unmarshal(c[name], &object) != nil || object == nil {
		return c
	}
	list, err := json.Marshal(slices.Sorted(maps.Keys(object)))
	if err != nil {
		return c
	}
	out := maps.Clone(c)
	out[name] = list
	return out
}

// complete returns the ID token's claims with those that only the userinfo answer has. An address and its verification are
// one statement and are taken together.
func (c claims) complete(userinfo claims, emailClaim string) claims {
	out := claims{}
	for name, v := range c {
		out[name] = v
	}
	if email, _ := c.text(emailClaim); email == "" {
		delete(out, emailClaim)
		delete(out, "email_verified")
	}
	ownEmail := out.has(emailClaim)
	for name, v := range userinfo {
		if ownEmail && name == "email_verified" {
			continue
		}
		if !out.has(name) {
			out[name] = v
		}
	}
	return out
}

// describe puts the personal claims into an identity. Groups are raw still.
func (c claims) describe(names ClaimsConfig) (identity.Identity, error) {
	var i identity.Identity
	i.Email, _ = c.text(names.Email)
	i.Name, _ = c.text(names.Name)
	i.Username, _ = c.text(names.Username)
	i.EmailVerified = i.Email != "" && c.isTrue("email_verified")
	_, said := c["email_verified"]
	i.EmailDoubtful = said && !i.EmailVerified
	i.AMR = c.texts("amr")
	i.AuthTime = c.seconds("auth_time")
	i.SessionID, _ = c.text("sid")
	if i.Email != "" && !isAddress(i.Email) {
		return identity.Identity{}, fmt.Errorf("the claim %s is not a mail address: %q", names.Email, clip(i.Email))
	}
	return i, nil
}

// choose applies the configured filter and names to a provider's groups. The filter may name a group by the provider's name or by the
// one that map gives it: both are the administrator's words. The provider's order stays.
func (g GroupsConfig) choose(groups []string) []string {
	var out []string
	for _, name := range groups {
		renamed := false
		for _, m := range g.Map {
			if m.From == name {
				renamed = true
				if g.allows(name) || g.allows(m.To) {
					out = add(out, m.To)
				}
			}
		}
		if !renamed && g.allows(name) {
			out = add(out, name)
		}
	}
	return out
}

func (g GroupsConfig) allows(name string) bool {
	return len(g.Allow) == 0 || slices.Contains(g.Allow, name)
}

// add appends a name that is not there yet.
func add(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}
