package provider

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// idPattern keeps ids safe in addresses, and short.
var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// reservedIDs mean something else where a provider's id stands: the owner of a local account, and the step after /sign-in/.
var reservedIDs = []string{"local", "password", "change-password"}

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var p fault.Problems
	c.validateNames(&p)
	if c.LinkByEmail != linkNever && c.LinkByEmail != linkVerified {
		p.Add("link_by_email", "Write never or verified.", "%q is no way to link accounts", c.LinkByEmail)
	}
	if c.Factor != "" && !slices.Contains([]identity.FactorRule{identity.FactorTrust, identity.FactorAlways, identity.FactorUnlessAMR}, identity.FactorRule(c.Factor)) {
		p.Add("factor", "Write trust, always or unless_amr.", "%q is no rule for second factors", c.Factor)
	}
	for _, link := range []struct{ path, value string }{
		{"password.reset_url", c.Password.ResetURL}, {"password.change_url", c.Password.ChangeURL},
	} {
		if link.value != "" && !isWebAddress(link.value) {
			p.Add(link.path, "Write a complete address that starts with https://.", "%q is not a web address", link.value)
		}
	}
	if c.Revalidate < 0 || (c.Revalidate > 0 && c.Revalidate < time.Second) {
		p.Add("revalidate", "Write a time such as 5m, or 0 to switch it off.", "%s is no interval", c.Revalidate)
	}
	if c.RevalidateGrace < 0 {
		p.Add("revalidate_grace", "Write a time such as 24h, or 0 to end sessions at once.", "%s is no time to wait", c.RevalidateGrace)
	}
	for i, m := range c.Groups.Map {
		if m.From == "" || m.To == "" {
			p.Add(fmt.Sprintf("groups.map[%d]", i), "Write both from and to.", "the new name of a group is not complete")
		}
	}
	if slices.Contains(c.Groups.Allow, "") {
		p.Add("groups.allow", "Remove the empty name.", "an empty group name matches nobody")
	}
	if _, err := loadCA(c.CAFile); err != nil {
		p.Add("ca_file", "Name a readable file with PEM certificates.", "%v", err)
	}
	c.API.validate(c.Type, c.ClientID, &p)
	k, ok, err := find(c.Type)
	if !ok || err != nil {
		p.Add("type", "Use one of "+strings.Join(Types(), ", ")+".", "%q is no type of provider", c.Type)
		return p
	}
	if c.GroupsAPI != (GroupsAPIConfig{}) && c.Type != "entra" && c.Type != "google" {
		p.Add("groups_api", "Remove it.", "type %s tells groups at the sign-in or not at all", c.Type)
	}
	if len(c.Tenants) > 0 && c.Type != "entra" {
		p.Add("tenants", "Remove it.", "type %s has no tenants", c.Type)
	}
	if !slices.Contains([]string{"ldap", "active_directory"}, c.Type) && (c.PasswordChange || c.Schema != "") {
		p.Add("password_change", "Leave out password_change and schema; password.change_url names the provider's own page.", "only a directory's passwords can be changed here")
	}
	validateIdle(c, &p)
	k.validate(k.preset(c), &p)
	return p
}

func (c Config) validateNames(p *fault.Problems) {
	switch {
	case c.ID == "":
		p.Add("id", "Give the provider a short name, such as contoso.", "the id is missing")
	case !idPattern.MatchString(c.ID):
		p.Add("id", "Use lower-case letters, digits and hyphens, at most 63.", "%q cannot stand in an address", c.ID)
	case slices.Contains(reservedIDs, c.ID):
		p.Add("id", "Choose another id.", "%q has another meaning", c.ID)
	}
	for i, d := range c.Domains {
		if d != everyDomain && !isDomain(strings.ToLower(d)) {
			p.Add(fmt.Sprintf("domains[%d]", i), "Write the part after the @, such as contoso.com.", "%q is not a mail domain", d)
		}
	}
	for i, e := range c.Emails {
		if !isAddress(e) {
			p.Add(fmt.Sprintf("emails[%d]", i), "Write a complete address.", "%q is not a mail address", e)
		}
	}
}

// isDomain reports whether a lower-case name can be the domain of an address. Names beyond ASCII are accepted as they are
// typed: they are only ever compared.
func isDomain(d string) bool {
	if d == "" || len(d) > 253 || strings.HasPrefix(d, ".") || strings.HasSuffix(d, ".") || strings.Contains(d, "..") {
		return false
	}
	return !strings.ContainsFunc(d, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`@,;:<>()[]\/"*`, r)
	})
}

// isAddress reports whether an address is plain: one @, nothing quoted, no space, no control character. What is odder belongs
// to nobody here: the wrong @ has let strangers in elsewhere (CVE-2026-40574).
func isAddress(a string) bool {
	if len(a) > 320 {
		return false
	}
	if strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`,;:<>()[]\"`, r) }) {
		return false
	}
	domain, ok := identity.Domain(identity.Normalize(a))
	return ok && isDomain(domain)
}

func isWebAddress(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// isLoopback reports whether a host name, without port, is this machine whatever a name server says.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// checkEndpoint returns what keeps an address from being asked: it must be https, or http where cleartext is allowed.
func checkEndpoint(raw string, cleartext bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return fmt.Errorf("%q is not a web address", raw)
	case u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q must have neither a user name nor a #", raw)
	case u.Scheme == "http" && (!cleartext || !isLoopback(u.Hostname())):
		return fmt.Errorf("%q must be https", raw)
	}
	return nil
}

// loadCA reads the authorities to trust; nil stands for the system's.
func loadCA(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("read certificates: the file holds none in PEM")
	}
	return pool, nil
}

// info is what every kind tells about itself.
func (c Config) info() identity.Info {
	i := identity.Info{
		ID: c.ID, Kind: c.Type, Name: c.displayName(),
		Password:   identity.PasswordHelp{ResetURL: c.Password.ResetURL, ChangeURL: c.Password.ChangeURL, Help: c.Password.Help, ChangeHere: c.PasswordChange},
		Revalidate: c.Revalidate, Grace: c.RevalidateGrace,
		Trust: identity.Trust{AllowSignUp: c.AllowSignUp, LinkByEmail: c.LinkByEmail == linkVerified, OwnsDomains: c.ownDomains()},
	}
	if rule := identity.FactorRule(c.Factor); rule != identity.FactorTrust { // which is what the zero value means
		i.Factor = rule
	}
	for _, d := range c.Domains {
		i.Domains = append(i.Domains, strings.ToLower(d))
	}
	for _, e := range c.Emails {
		i.Emails = append(i.Emails, identity.Normalize(e))
	}
	return i
}

// ownDomains are the domains in lower case without the asterisk: taking every sign-in is not owning every address.
func (c Config) ownDomains() []string {
	var own []string
	for _, d := range c.Domains {
		if d != everyDomain {
			own = append(own, strings.ToLower(d))
		}
	}
	return own
}

// ownsAddress reports whether an address lies in one of the provider's own domains.
func (c Config) ownsAddress(address string) bool {
	domain, ok := identity.Domain(identity.Normalize(address))
	return ok && slices.Contains(c.ownDomains(), domain)
}
