package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"crmgate/internal/identity"
)

// The placeholders of user_filter and groups.filter.
const (
	holdLogin    = "{login}"
	holdName     = "{name}"
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
	cfg    Config
	env    Env
	schema schema
	// servers stand in the configured order.
	servers []*server
	pace    pace
	// names brings a typed name into the forms that the filter looks for, {login} and {name}; nil takes it as it is.
	names func(typed string) (login, name string)
	// bindState reads the reason out of the text of result 49; nil where the server hides none there.
	bindState func(text string) state
	// setPassword changes a password that is known, on a connection that may.
	setPassword func(d *directory, c *conn, entry *ldap.Entry, current, fresh string) error
}

func openLDAP(c Config, env Env) (identity.Provider, error) {
	d, err := newDirectory(c, env, schemas()[cmp.Or(c.Schema, schemaOpenLDAP)])
	if err != nil {
		return nil, err
	}
	d.setPassword = passwordModify
	return d, nil
}

func newDirectory(c Config, env Env, s schema) (*directory, error) {
	roots, err := loadCA(c.CAFile)
	if err != nil {
		return nil, err
	}
	d := &directory{cfg: c, env: env, schema: s}
	for _, raw := range c.URLs {
		s, err := newServer(raw, roots, c.DirectoryConfig, env)
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

// Info describes the directory.
func (d *directory) Info() identity.Info { return d.cfg.info() }

// CheckPassword looks the person up and binds as them, once. A wrong name costs the same steps and about the same time as a
// wrong password.
func (d *directory) CheckPassword(ctx context.Context, login, password string) (identity.Identity, error) {
	if !possible(login, password) {
		return identity.Identity{}, identity.ErrWrongPassword
	}
	var id identity.Identity
	err := d.withServer(ctx, func(s *server) error {
		found, err := d.prove(ctx, s, login, password)
		if err != nil {
			return err
		}
		found.user.Close()
		if state := d.standing(found); state != stateGood {
			return d.refusal(state)
		}
		return d.withService(ctx, s, func(service *conn) error {
			id, err = d.identify(service, found.entry)
			id.AMR, id.AuthTime = []string{"pwd"}, d.env.Now()
			d.expiry(&id, found)
			return err
		})
	})
	if err != nil {
		return identity.Identity{}, d.translate(err)
	}
	return id, nil
}

// possible reports whether name and password can be anybody's. An empty password would be an anonymous bind, which succeeds
// (RFC 4513 section 5.1.2); a NUL ends the string in some servers.
func possible(login, password string) bool {
	return strings.TrimSpace(login) != "" && len(login) <= maxLogin && password != "" && len(password) <= maxPassword &&
		!strings.ContainsRune(login+password, 0)
}

// proven is a person whose password was right.
type proven struct {
	entry *ldap.Entry
	// user is the connection that was used; bound is true where it is that person's now.
	user  *conn
	bound bool
	// state is what the answer to the bind said, graced that the server lets an expired password in for a while.
	state  state
	graced bool
	// expires is when the password ends by that answer, zero where it says nothing.
	expires time.Time
}

// prove finds a person and sends the password once. Everything but the right password is an error; the caller closes the
// connection.
func (d *directory) prove(ctx context.Context, s *server, login, password string) (found proven, err error) {
	err = d.withService(ctx, s, func(service *conn) error {
		found.entry, err = d.find(service, login)
		return err
	})
	if err != nil {
		return proven{}, err
	}
	// A connection of its own: one that was somebody must never look up anything for anybody else.
	if found.user, err = s.dial(ctx); err != nil {
		return proven{}, err
	}
	if found.entry == nil {
		err = d.pretend(ctx, found.user, password)
	} else {
		start := time.Now()
		err = d.bindUser(&found, password)
		d.pace.observe(time.Since(start))
	}
	if err != nil {
		found.user.Close()
		return proven{}, err
	}
	return found, nil
}

// pretend does for an unknown person what is done for a known one: a bind that fails, and the time that the directory takes
// to compare a password, which it spares for a name that it does not have.
func (d *directory) pretend(ctx context.Context, user *conn, password string) error {
	start := time.Now()
	// Nobody has this name, so the answer says nothing and no failure counts against anybody.
	nobody := proven{user: user, entry: &ldap.Entry{DN: "cn=nobody-" + strings.ToLower(d.cfg.ID) + "," + d.cfg.UserBase}}
	if err := d.bindUser(&nobody, password); isTrouble(err) {
		return err
	}
	select {
	case <-time.After(d.pace.rest(time.Since(start))):
	case <-ctx.Done():
	}
	return identity.ErrWrongPassword
}

// find returns the one entry that the login means, or nil.
func (d *directory) find(service *conn, login string) (*ldap.Entry, error) {
	login = strings.TrimSpace(login)
	name := login
	if d.names != nil {
		login, name = d.names(login)
	}
	// One pass: what a value holds is never taken for a placeholder.
	return d.one(service, strings.NewReplacer(holdLogin, ldap.EscapeFilter(login), holdName, ldap.EscapeFilter(name)).Replace(d.cfg.UserFilter))
}

// one returns the only entry that a filter finds, or nil. Several are nobody: the filter is wrong then, and guessing would sign in a
// stranger. References to other servers are not followed.
func (d *directory) one(service *conn, filter string) (*ldap.Entry, error) {
	a := d.cfg.Attributes
	attributes := append([]string{a.ID, a.Username, a.Email, a.Name}, d.schema.reads()...)
	if d.cfg.Groups.Base == "" {
		attributes = append(attributes, "memberOf")
	}
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

// identify reads who an entry is.
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

// expiry says when the password ends: by the answer to the bind, or else by the entry.
func (d *directory) expiry(id *identity.Identity, found proven) {
	end := found.expires
	if end.IsZero() && d.schema.expires != "" {
		end, _ = d.schema.when(found.entry.GetEqualFoldAttributeValue(d.schema.expires))
	}
	if end.After(d.env.Now()) {
		id.PasswordExpires, id.PasswordChangeURL = end, d.cfg.Password.ChangeURL
	}
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
	// Not one of the pool: whoever asks wants to know whether the account can sign in now.
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
