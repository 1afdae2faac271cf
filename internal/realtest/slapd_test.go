package realtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"crmgate/internal/realtest"
)

func dialDirectory(t *testing.T, d *realtest.Directory, url string, startTLS bool) *ldap.Conn {
	t.Helper()
	pem, err := os.ReadFile(d.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	conf := &tls.Config{ServerName: "localhost", RootCAs: pool}
	c, err := ldap.DialURL(url, ldap.DialWithTLSConfig(conf))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if startTLS {
		if err := c.StartTLS(conf); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// bind returns the result code and what the password policy control says.
func bind(c *ldap.Conn, dn, password string) string {
	r, err := c.SimpleBind(&ldap.SimpleBindRequest{Username: dn, Password: password, Controls: []ldap.Control{ldap.NewControlBeheraPasswordPolicy()}})
	code := ldap.LDAPResultSuccess
	if e, ok := err.(*ldap.Error); ok {
		code = int(e.ResultCode)
	} else if err != nil {
		return err.Error()
	}
	if r == nil {
		return fmt.Sprint(code)
	}
	p, ok := ldap.FindControl(r.Controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy)
	switch {
	case !ok:
		return fmt.Sprint(code)
	case p.Error >= 0:
		return fmt.Sprint(code, " ", p.ErrorString)
	case p.Grace >= 0:
		return fmt.Sprint(code, " grace ", p.Grace)
	case p.Expire > 0:
		return fmt.Sprint(code, " expires")
	}
	return fmt.Sprint(code)
}

func TestSlapdBinds(t *testing.T) {
	d := realtest.Slapd(t)
	alice := d.PersonDN("alice")
	tests := []struct {
		name     string
		plain    bool
		dn, pass string
		want     string
	}{
		{name: "alice", dn: alice, pass: d.Password("alice"), want: "0"},
		{name: "wrong password", dn: alice, pass: "wrong", want: "49"},
		{name: "no TLS", plain: true, dn: alice, pass: d.Password("alice"), want: "13"},
		{name: "odd DN", dn: d.PersonDN(realtest.OddUID), pass: d.Password(realtest.OddUID), want: "0"},
		{name: "expired", dn: d.PersonDN("expired"), pass: d.Password("expired"), want: "49 Password expired"},
		{name: "grace", dn: d.PersonDN("grace"), pass: d.Password("grace"), want: "0 grace 1"},
		{name: "warned", dn: d.PersonDN("warned"), pass: d.Password("warned"), want: "0 expires"},
		{name: "must change", dn: d.PersonDN("mustchange"), pass: d.Password("mustchange"), want: "0 Password must be changed"},
		{name: "locked", dn: d.PersonDN("locked"), pass: d.Password("locked"), want: "49 Account locked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dialDirectory(t, d, d.URL, !tt.plain)
			if diff := cmp.Diff(tt.want, bind(c, tt.dn, tt.pass)); diff != "" {
				t.Errorf("bind (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSlapdSearches(t *testing.T) {
	d := realtest.Slapd(t)
	c := dialDirectory(t, d, d.TLSURL, false)
	if err := c.Bind(d.BindDN, d.BindPassword); err != nil {
		t.Fatal(err)
	}
	find := func(base, filter, attr string) []string {
		t.Helper()
		r, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 5, false, filter, []string{attr}, nil))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range r.Entries {
			got = append(got, e.GetAttributeValues(attr)...)
		}
		slices.Sort(got)
		return got
	}
	tests := []struct {
		name, base, filter, attr string
		want                     []string
	}{
		{"member of", d.PeopleBase, "(mail=alice@example.test)", "memberOf", []string{"cn=crm-admins," + d.GroupBase, "cn=crm-users," + d.GroupBase}},
		{"groups of a member", d.GroupBase, "(member=" + ldap.EscapeFilter(d.PersonDN(realtest.OddUID)) + ")", "cn", []string{"crm-users"}},
		{"odd login", d.PeopleBase, "(uid=" + ldap.EscapeFilter(realtest.OddUID) + ")", "mail", []string{"odd@example.test"}},
		{"no passwords", d.PeopleBase, "(objectClass=*)", "userPassword", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, find(tt.base, tt.filter, tt.attr)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.attr, diff)
			}
		})
	}
	d.Change(t, "dn: "+d.PersonDN("bob")+"\nchangetype: modify\nreplace: mail\nmail: robert@example.test\n")
	if diff := cmp.Diff([]string{"robert@example.test"}, find(d.PeopleBase, "(uid=bob)", "mail")); diff != "" {
		t.Errorf("mail after Change (-want +got):\n%s", diff)
	}
}

func TestSlapdStopsAndRestarts(t *testing.T) {
	d := realtest.Slapd(t)
	d.Stop(t)
	if c, err := ldap.DialURL(d.URL); err == nil {
		c.Close()
		t.Error("a stopped directory answers")
	}
	d.Restart(t)
	c := dialDirectory(t, d, d.URL, true)
	if err := c.Bind(d.PersonDN("bob"), d.Password("bob")); err != nil {
		t.Errorf("bind after Restart: %v", err)
	}
}
