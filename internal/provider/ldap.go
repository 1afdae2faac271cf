package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// The placeholders of user_filter and groups.filter.
const (
	holdLogin    = "{login}"
	holdDN       = "{dn}"
	holdUsername = "{username}"
)

const (
	// maxLogin and maxPassword are lengths in bytes that no directory's names and passwords reach.
	maxLogin    = 256
	maxPassword = 1024
)

// directory is an LDAP server, or several that hold the same people.
type directory struct {
	cfg Config
	env Env
	// servers stand in the configured order.
	servers []*server
	pace    pace
	// login brings a typed name into the form that the filter looks for; nil takes it as it is.
	login func(string) string
}

func presetLDAP(c Config) Config {
	c.UserFilter = cmp.Or(c.UserFilter, "(&(objectClass=inetOrgPerson)(|(uid={login})(mail={login})))")
	c.Attributes.ID = cmp.Or(c.Attributes.ID, "entryUUID")
	c.Attributes.Username = cmp.Or(c.Attributes.Username, "uid")
	c.Attributes.Email = cmp.Or(c.Attributes.Email, "mail")
	c.Attributes.Name = cmp.Or(c.Attributes.Name, "cn")
	c.Groups.Filter = cmp.Or(c.Groups.Filter, "(|(member={dn})(uniqueMember={dn}))")
	c.Groups.Name = cmp.Or(c.Groups.Name, "cn")
	return c
}

func openLDAP(c Config, env Env) (identity.Provider, error) { return newDirectory(c, env) }

func newDirectory(c Config, env Env) (*directory, error) {
	roots, err := loadCA(c.CAFile)
	if err != nil {
		return nil, err
	}
	d := &directory{cfg: c, env: env}
	for _, raw := range c.URLs {
		s, err := newServer(raw, roots, c, env)
		if err != nil {
			return nil, err
		}
		d.servers = append(d.servers, s)
	}
	if len(d.servers) == 0 {
		return nil, errors.New("there is no address")
	}
	return d, nil
}

func validateLDAP(c Config, p *fault.Problems) {
	validateDirectory(c, p)
	if c.BindDN != "" {
		if _, err := ldap.ParseDN(c.BindDN); err != nil {
			p.Add("bind_dn", "Write the whole name, such as cn=crmgate,ou=services,dc=example,dc=com.", "%q is not a DN", c.BindDN)
		}
	}
}

// validateDirectory names the faults that every directory can have.
func validateDirectory(c Config, p *fault.Problems) {
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
	validateFilter("user_filter", c.UserFilter, []string{holdLogin}, []string{holdLogin}, p)
	validateFilter("groups.filter", c.Groups.Filter, nil, []string{holdDN, holdUsername}, p)
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
func validateFilter(path, filter string, required, known []string, p *fault.Problems) {
	for _, hold := range required {
		if !strings.Contains(filter, hold) {
			p.Add(path, "Write "+hold+" where the typed name belongs.", "the filter does not use %s", hold)
		}
	}
	filled := filter
	for _, hold := range known {
		filled = strings.ReplaceAll(filled, hold, "x")
	}
	if i := strings.IndexAny(filled, "{}"); i >= 0 {
		p.Add(path, "Known are "+strings.Join(known, " and ")+".", "the filter has a placeholder that nothing fills")
		return
	}
	if _, err := ldap.CompileFilter(filled); err != nil {
		p.Add(path, "Check the brackets; a filter looks like (uid={login}).", "the filter cannot be read: %v", err)
	}
}

// Info describes the directory.
func (d *directory) Info() identity.Info { return d.cfg.info() }

// CheckPassword looks the person up and binds as them, once. A wrong name costs the same steps and about the same time as a
// wrong password.
func (d *directory) CheckPassword(ctx context.Context, login, password string) (identity.Identity, error) {
	login = strings.TrimSpace(login)
	if d.login != nil {
		login = d.login(login)
	}
	// An empty password would be an anonymous bind, which succeeds (RFC 4513 section 5.1.2); a NUL ends the string in some servers.
	if login == "" || len(login) > maxLogin || password == "" || len(password) > maxPassword || strings.ContainsRune(login+password, 0) {
		return identity.Identity{}, identity.ErrWrongPassword
	}
	var id identity.Identity
	err := d.withServer(ctx, func(s *server) error {
		var err error
		id, err = d.signIn(ctx, s, login, password)
		return err
	})
	if err != nil {
		return identity.Identity{}, d.translate(err)
	}
	return id, nil
}

// signIn is one sign-in at one server.
func (d *directory) signIn(ctx context.Context, s *server, login, password string) (identity.Identity, error) {
	service, err := d.service(ctx, s)
	if err != nil {
		return identity.Identity{}, err
	}
	defer service.Close()
	entry, err := d.find(service, login)
	if err != nil {
		return identity.Identity{}, err
	}
	// A connection of its own: one that was somebody must never look up anything for anybody else.
	user, err := s.dial(ctx)
	if err != nil {
		return identity.Identity{}, err
	}
	defer user.Close()
	if entry == nil {
		return identity.Identity{}, d.pretend(ctx, user, password)
	}
	start := time.Now()
	err = d.bindUser(user, entry.DN, password)
	d.pace.observe(time.Since(start))
	if err != nil {
		return identity.Identity{}, err
	}
	return d.identify(service, entry)
}

// pretend does for an unknown person what is done for a known one: a bind that fails, and the time that the directory takes
// to compare a password, which it spares for a name that it does not have.
func (d *directory) pretend(ctx context.Context, user *conn, password string) error {
	start := time.Now()
	// Nobody has this name, so the answer says nothing and no failure counts against anybody.
	if err := d.bindUser(user, "cn=nobody-"+strings.ToLower(d.cfg.ID)+","+d.cfg.UserBase, password); isTrouble(err) {
		return err
	}
	select {
	case <-time.After(d.pace.rest(time.Since(start))):
	case <-ctx.Done():
	}
	return identity.ErrWrongPassword
}

// find returns the one entry that the login means, or nil. Several are nobody: the filter is wrong then, and guessing would
// sign in a stranger.
func (d *directory) find(service *conn, login string) (*ldap.Entry, error) {
	a := d.cfg.Attributes
	attributes := []string{a.ID, a.Username, a.Email, a.Name}
	if d.cfg.Groups.Base == "" {
		attributes = append(attributes, "memberOf")
	}
	filter := strings.ReplaceAll(d.cfg.UserFilter, holdLogin, ldap.EscapeFilter(login))
	req := ldap.NewSearchRequest(d.cfg.UserBase, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, int(d.cfg.Timeout.Seconds())+1,
		false, filter, attributes, nil)
	res, err := service.Search(req)
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return nil, fmt.Errorf("find person: %w", answered(err))
	}
	if err != nil || len(res.Entries) > 1 {
		d.env.Log.Warn("find person: several entries match, nobody is signed in", "provider", d.cfg.ID)
		return nil, nil
	}
	if len(res.Entries) == 0 || res.Entries[0].DN == "" {
		return nil, nil
	}
	return res.Entries[0], nil
}

// identify reads an entry after its password proved right.
func (d *directory) identify(service *conn, entry *ldap.Entry) (identity.Identity, error) {
	a := d.cfg.Attributes
	subject := stableID(a.ID, entry.GetEqualFoldRawAttributeValue(a.ID))
	if subject == "" || len(subject) > maxSubject {
		return identity.Identity{}, fmt.Errorf("read person: the entry has no usable attribute %s", a.ID)
	}
	groups, err := d.groups(service, entry)
	if err != nil {
		return identity.Identity{}, err
	}
	id := identity.Identity{
		Provider: d.cfg.ID, Issuer: d.issuer(), Subject: subject,
		Email: d.address(entry), Name: entry.GetEqualFoldAttributeValue(a.Name), Username: entry.GetEqualFoldAttributeValue(a.Username),
		Groups: slices.Sorted(slices.Values(d.cfg.Groups.choose(groups))), // directories promise no order
		AMR:    []string{"pwd"}, AuthTime: d.env.Now(),
	}
	id.EmailVerified = id.Email != "" && d.cfg.ownsAddress(id.Email)
	return id, nil
}

// issuer names the directory in stored links. It is built from the provider's id, which is never renamed, and not from
// addresses or bases, which are.
func (d *directory) issuer() string { return "ldap:" + d.cfg.ID }

// address returns the first plain address in one of our domains, or else the first plain one.
func (d *directory) address(entry *ldap.Entry) string {
	all := slices.DeleteFunc(slices.Clone(entry.GetEqualFoldAttributeValues(d.cfg.Attributes.Email)), func(a string) bool { return !isAddress(a) })
	for _, a := range all {
		if d.cfg.ownsAddress(a) {
			return a
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return ""
}

// Ping binds as the service account at every server and looks at the place where people stand.
func (d *directory) Ping(ctx context.Context) error {
	var errs []error
	for _, s := range d.servers {
		if err := d.ping(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.address, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return d.translate(err)
	}
	return nil
}

func (d *directory) ping(ctx context.Context, s *server) error {
	service, err := d.service(ctx, s)
	if err != nil {
		return err
	}
	defer service.Close()
	_, err = service.Search(ldap.NewSearchRequest(d.cfg.UserBase, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false,
		"(objectClass=*)", []string{"1.1"}, nil))
	if err != nil {
		return fmt.Errorf("read user_base: %w", answered(err))
	}
	return nil
}
