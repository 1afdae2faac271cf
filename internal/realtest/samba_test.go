package realtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"crmgate/internal/realtest"
)

func dialDomain(t *testing.T, d *realtest.Domain, startTLS bool) *ldap.Conn {
	t.Helper()
	pem, err := os.ReadFile(d.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	conf := &tls.Config{ServerName: "localhost", RootCAs: pool}
	url := d.TLSURL
	if startTLS {
		url = d.URL
	}
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

var data = regexp.MustCompile(`data ([0-9a-f]+)`)

// What the seed promises, in the words of the domain controller.
func TestSambaBinds(t *testing.T) {
	d := realtest.SambaAD(t)
	for _, name := range []string{"locked", "locked", "locked"} {
		_ = dialDomain(t, d, false).Bind(name+"@corp.test", "wrong")
	}
	tests := []struct{ name, login, password, want string }{
		{"user principal name", "alice@corp.test", "alice", ""},
		{"domain and name", `CORP\alice`, "alice", ""},
		{"DN", "CN=Alice Example," + d.PeopleBase, "alice", ""},
		{"a principal name by default", "bob@corp.test", "bob", ""},
		{"odd DN", `CN=Odd\2C \22Name\22 (x)*,` + d.PeopleBase, "odd", ""},
		{"service account", d.BindDN, "crmgate", ""},
		{"wrong password", "alice@corp.test", "bob", "52e"},
		{"nobody", "nobody@corp.test", "bob", "52e"},
		{"disabled", "disabled@corp.test", "disabled", "533"},
		{"disabled, wrong password", "disabled@corp.test", "bob", "52e"},
		{"account expired", "ended@corp.test", "ended", "701"},
		{"hours", "hours@corp.test", "hours", "530"},
		{"must change", "mustchange@corp.test", "mustchange", "773"},
		{"expired", "expired@corp.test", "expired", "532"},
		{"locked", "locked@corp.test", "locked", "775"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := dialDomain(t, d, true).Bind(tt.login, d.Password(tt.password)); err != nil {
				if got = err.Error(); data.MatchString(got) {
					got = data.FindStringSubmatch(got)[1]
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("bind (-want +got):\n%s", diff)
			}
		})
	}
	plain, err := ldap.DialURL(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := plain.Bind("alice@corp.test", d.Password("alice")); !ldap.IsErrorWithCode(err, ldap.LDAPResultStrongAuthRequired) {
		t.Errorf("a bind in the clear: %v", err)
	}
}

func TestSambaChanges(t *testing.T) {
	d := realtest.SambaAD(t)
	d.Change(t, "dn: CN=Bob Example,"+d.PeopleBase+"\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: "+realtest.UnicodePwd("Another-pw-2")+"\n")
	d.Restart(t)
	if err := dialDomain(t, d, false).Bind(`CORP\bob`, "Another-pw-2"); err != nil {
		t.Errorf("bind after Change and Restart: %v", err)
	}
	d.Stop(t)
	if c, err := ldap.DialURL(d.URL); err == nil {
		c.Close()
		t.Error("a stopped domain controller answers")
	}
	// The copy that others get knows nothing of it.
	if other := realtest.SambaAD(t); strings.EqualFold(other.URL, d.URL) || dialDomain(t, other, false).Bind(`CORP\bob`, other.Password("bob")) != nil {
		t.Error("one test's change is in another's domain")
	}
}
