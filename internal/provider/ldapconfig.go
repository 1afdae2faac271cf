package provider

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"crmgate/internal/fault"
)

func presetLDAP(c Config) Config { return schemas()[cmp.Or(c.Schema, schemaOpenLDAP)].fill(c) }

func validateLDAP(c Config, p *fault.Problems) {
	if _, ok := schemas()[cmp.Or(c.Schema, schemaOpenLDAP)]; !ok {
		p.Add("schema", "Use one of "+strings.Join(schemaNames(), ", ")+", or leave it out and name filters and attributes yourself.",
			"%q is no schema that is known", c.Schema)
		return
	}
	validateDirectory(c, []string{holdLogin}, p)
	if c.BindDN != "" {
		if _, err := ldap.ParseDN(c.BindDN); err != nil {
			p.Add("bind_dn", "Write the whole name, such as cn=crmgate,ou=services,dc=example,dc=com.", "%q is not a DN", c.BindDN)
		}
	}
}

// validateDirectory names the faults that every directory can have. The placeholders are those of user_filter.
func validateDirectory(c Config, placeholders []string, p *fault.Problems) {
	if len(c.URLs) == 0 {
		p.Add("urls", "Add an address, such as ldaps://dc1.corp.example.com.", "there is no address of the directory")
	}
	for i, raw := range c.URLs {
		validateDirectoryURL(fmt.Sprintf("urls[%d]", i), raw, c.StartTLS, p)
	}
	if c.BindDN == "" {
		p.Add("bind_dn", "Make an account in the directory that may look people up, and name it here.", "the service account is missing")
	}
	if c.BindPassword == "" && c.BindPasswordFile == "" {
		p.Add("bind_password", "Set bind_password or bind_password_file.", "the service account's password is missing")
	}
	validateBase("user_base", c.UserBase, true, p)
	validateBase("groups.base", c.Groups.Base, false, p)
	validateFilter("user_filter", c.UserFilter, true, placeholders, p)
	validateFilter("groups.filter", c.Groups.Filter, false, []string{holdDN, holdUsername}, p)
	if c.Groups.Nested && c.Groups.Base == "" {
		p.Add("groups.nested", "Set groups.base to where the groups stand.", "groups of groups cannot be read from memberOf")
	}
	if c.Timeout <= 0 || c.Timeout > time.Minute {
		p.Add("timeout", "Write something like 5s, one minute at most.", "%s is no useful limit", c.Timeout)
	}
}

func validateDirectoryURL(path, raw string, startTLS bool, p *fault.Problems) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "ldap" && u.Scheme != "ldaps"):
		p.Add(path, "Write ldaps://host or ldap://host, with a port where it is not the usual one.", "%q is not the address of a directory", raw)
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		p.Add(path, "Keep scheme, host and port; the rest belongs to bind_dn, user_base and user_filter.", "%q says more than where the directory is", raw)
	case u.Scheme == "ldap" && !startTLS:
		p.Add(path, "Use ldaps://, or set start_tls: true.", "%q would send passwords in the clear", raw)
	}
}

func validateBase(path, dn string, required bool, p *fault.Problems) {
	if dn == "" {
		if required {
			p.Add(path, "Write where people stand, such as ou=people,dc=example,dc=com.", "the base is missing")
		}
		return
	}
	if _, err := ldap.ParseDN(dn); err != nil {
		p.Add(path, "Write something like ou=people,dc=example,dc=com.", "%q is not a DN", dn)
	}
}

// validateFilter compiles a filter as it will look with values in it, and refuses placeholders that nothing fills.
func validateFilter(path, filter string, required bool, known []string, p *fault.Problems) {
	filled, used := filter, false
	for _, hold := range known {
		used = used || strings.Contains(filter, hold)
		filled = strings.ReplaceAll(filled, hold, "x")
	}
	if required && !used {
		p.Add(path, "Write "+known[0]+" where the typed name belongs.", "the filter does not use %s", known[0])
	}
	if i := strings.IndexAny(filled, "{}"); i >= 0 {
		p.Add(path, "Known are "+strings.Join(known, " and ")+".", "the filter has a placeholder that nothing fills")
		return
	}
	if _, err := ldap.CompileFilter(filled); err != nil {
		p.Add(path, "Check the brackets; a filter looks like (uid={login}).", "the filter cannot be read: %v", err)
	}
}
