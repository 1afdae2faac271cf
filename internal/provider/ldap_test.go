package provider_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
	"crmgate/internal/realtest"
)

// directoryConfig is an entry for the directory of the tests, over LDAPS.
func directoryConfig(d *realtest.Directory) provider.Config {
	c := provider.Config{}.Default()
	c.ID, c.Type, c.Name = "directory", "ldap", "Example directory"
	c.Domains = []string{"example.test"}
	c.URLs, c.CAFile = []string{d.TLSURL}, d.CAFile
	c.BindDN, c.UserBase = d.BindDN, d.PeopleBase
	c.BindPassword = "crmgate-pw-1"
	c.Groups.Base = d.GroupBase
	c.Timeout = 30 * time.Second // a busy machine is no trouble
	return c
}

func openDirectory(t *testing.T, c provider.Config, now func() time.Time) identity.PasswordChecker {
	t.Helper()
	if problems := c.Validate(); len(problems) > 0 {
		t.Fatalf("Validate: %+v", problems)
	}
	p, err := provider.Open(c, provider.Env{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return p.(identity.PasswordChecker)
}

func TestDirectorySignIn(t *testing.T) {
	d := realtest.Slapd(t)
	p := openDirectory(t, directoryConfig(d), nil)
	tests := []struct {
		name, login, password string
		want                  string
	}{
		{"by user name", "alice", "alice-pw-1", "signed in"},
		{"by address", "alice@example.test", "alice-pw-1", "signed in"},
		{"in capitals with space around", " ALICE ", "alice-pw-1", "signed in"},
		{"a name that needs escaping", realtest.OddUID, "odd-pw-11", "signed in"},
		{"expires soon", "warned", "warned-pw-1", "signed in"},
		{"expired, sign-ins left", "grace", "grace-pw-1", "signed in"},

		{"wrong password", "alice", "wrong", "wrong password"},
		{"somebody else's password", "alice", "bob-pw-1", "wrong password"},
		{"nobody", "nobody", "alice-pw-1", "wrong password"},
		{"empty password", "alice", "", "wrong password"},
		{"empty password of nobody", "nobody", "", "wrong password"},
		{"empty login", "", "alice-pw-1", "wrong password"},
		{"password with a NUL", "alice", "alice-pw-1\x00", "wrong password"},
		{"login with a NUL", "alice\x00", "alice-pw-1", "wrong password"},
		{"everybody", "*", "alice-pw-1", "wrong password"},
		{"beginning of a name", "ali*", "alice-pw-1", "wrong password"},
		{"injection", "*)(uid=*))(|(uid=*", "alice-pw-1", "wrong password"},
		{"injection closes the filter", "alice)(objectClass=*", "alice-pw-1", "wrong password"},
		{"injection of a second name", "x)(|(uid=alice)", "alice-pw-1", "wrong password"},
		{"escapes in the login", `\61lice`, "alice-pw-1", "wrong password"},
		{"placeholder in the login", "{login}", "alice-pw-1", "wrong password"},
		{"a DN", d.PersonDN("alice"), "alice-pw-1", "wrong password"},
		{"the service account", "crmgate", "crmgate-pw-1", "wrong password"},
		{"very long", strings.Repeat("a", 10_000), "alice-pw-1", "wrong password"},

		{"locked, right password", "locked", "locked-pw-1", "wrong password"},
		{"locked, wrong password", "locked", "wrong", "wrong password"},
		{"expired", "expired", "expired-pw-1", "forbidden: password_expired"},
		{"expired, wrong password", "expired", "wrong", "wrong password"},
		{"must change", "mustchange", "mustchange-pw-1", "forbidden: password_must_change"},
		{"must change, wrong password", "mustchange", "wrong", "wrong password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.CheckPassword(context.Background(), tt.login, tt.password)
			if got := refusal(err); got != tt.want {
				t.Errorf("CheckPassword: %s, want %s (%v)", got, tt.want, err)
			}
			if fault.Is(err, fault.Forbidden) {
				wantPlain(t, err, "data", tt.password)
				if !strings.Contains(err.Error(), "Example directory") {
					t.Errorf("%v does not name the provider", err)
				}
			}
		})
	}
}

func TestDirectoryIdentity(t *testing.T) {
	d := realtest.Slapd(t)
	want := func(groups ...string) identity.Identity {
		return identity.Identity{Provider: "directory", Issuer: "ldap:directory", Email: "alice@example.test", EmailVerified: true,
			Name: "Alice Example", Username: "alice", Groups: groups, AMR: []string{"pwd"}}
	}
	unverified := want("crm-admins", "crm-users")
	unverified.EmailVerified = false
	tests := []struct {
		name   string
		change func(*provider.Config)
		want   identity.Identity
	}{
		{"groups by search", func(*provider.Config) {}, want("crm-admins", "crm-users")},
		{"groups by memberOf", func(c *provider.Config) { c.Groups.Base = "" }, want("crm-admins", "crm-users")},
		{"whole DNs", func(c *provider.Config) {
			c.Groups.Name, c.Groups.Allow = "dn", []string{"cn=crm-users," + d.GroupBase}
		},
			want("cn=crm-users," + d.GroupBase)},
		{"mapped", func(c *provider.Config) { c.Groups.Map = []provider.GroupMap{{From: "crm-admins", To: "boss"}} }, want("boss", "crm-users")},
		{"filtered before mapped", func(c *provider.Config) {
			c.Groups.Allow, c.Groups.Map = []string{"crm-admins", "boss"}, []provider.GroupMap{{From: "crm-admins", To: "boss"}}
		}, want("boss")},
		{"another domain's directory", func(c *provider.Config) { c.Domains = []string{"contoso.example", "*"} }, unverified},
	}
	subjects := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := directoryConfig(d)
			tt.change(&c)
			got, err := openDirectory(t, c, nil).CheckPassword(context.Background(), "alice", "alice-pw-1")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(identity.Identity{}, "Subject", "AuthTime")); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
			if len(got.Subject) != 36 || time.Since(got.AuthTime) > time.Minute {
				t.Errorf("subject %q, authenticated at %s", got.Subject, got.AuthTime)
			}
			subjects[got.Subject] = true
		})
	}
	// The person stays the same when name and address change.
	d.Change(t, "dn: "+d.PersonDN("alice")+"\nchangetype: modify\nreplace: mail\nmail: smith@elsewhere.test\nmail: alice.smith@example.test\n")
	got, err := openDirectory(t, directoryConfig(d), nil).CheckPassword(context.Background(), "alice.smith@example.test", "alice-pw-1")
	if err != nil || got.Email != "alice.smith@example.test" {
		t.Errorf("after the change: %+v, %v", got, err)
	}
	subjects[got.Subject] = true
	if len(subjects) != 1 {
		t.Errorf("one person has the subjects %v", subjects)
	}
}

func TestDirectorySaysWhenThePasswordEnds(t *testing.T) {
	d := realtest.Slapd(t)
	c := directoryConfig(d)
	c.Password.ChangeURL = "https://password.example.test/"
	p := openDirectory(t, c, nil)
	for login, soon := range map[string]bool{"warned": true, "alice": false} {
		id, err := p.CheckPassword(context.Background(), login, login+"-pw-1")
		if err != nil {
			t.Fatal(err)
		}
		left := time.Until(id.PasswordExpires)
		if soon != (left > 22*time.Hour && left < 24*time.Hour) || soon != (id.PasswordChangeURL == c.Password.ChangeURL) {
			t.Errorf("%s: the password ends in %s, changed at %q", login, left, id.PasswordChangeURL)
		}
	}
}

func TestNestedGroups(t *testing.T) {
	d := realtest.Slapd(t)
	// A circle: crm-users holds crm-admins already.
	d.Change(t, "dn: cn=everybody,"+d.GroupBase+"\nchangetype: add\nobjectClass: groupOfNames\ncn: everybody\nmember: cn=crm-users,"+d.GroupBase+"\n")
	d.Change(t, "dn: cn=crm-admins,"+d.GroupBase+"\nchangetype: modify\nadd: member\nmember: cn=everybody,"+d.GroupBase+"\n")
	for nested, want := range map[bool][]string{
		false: {"crm-users"},
		true:  {"crm-admins", "crm-users", "everybody"},
	} {
		c := directoryConfig(d)
		c.Groups.Nested = nested
		id, err := openDirectory(t, c, nil).CheckPassword(context.Background(), "bob", "bob-pw-1")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, id.Groups); diff != "" {
			t.Errorf("groups, nested %v (-want +got):\n%s", nested, diff)
		}
	}
}

func TestDirectorySetup(t *testing.T) {
	d := realtest.Slapd(t)
	other := realtest.NewCertificate(t)
	tests := []struct {
		name   string
		change func(*provider.Config)
		want   string
		ping   bool
	}{
		{"LDAPS", func(*provider.Config) {}, "signed in", true},
		{"StartTLS", func(c *provider.Config) { c.URLs, c.StartTLS = []string{d.URL}, true }, "signed in", true},
		{"LDAPS, unknown authority", func(c *provider.Config) { c.CAFile = other.CAFile }, "unavailable: provider_unreachable", false},
		{"LDAPS, the system's authorities", func(c *provider.Config) { c.CAFile = "" }, "unavailable: provider_unreachable", false},
		{"StartTLS, unknown authority", func(c *provider.Config) { c.URLs, c.StartTLS, c.CAFile = []string{d.URL}, true, other.CAFile },
			"unavailable: provider_unreachable", false},
		{"another host's certificate", func(c *provider.Config) { c.URLs = []string{strings.Replace(d.TLSURL, "127.0.0.1", "127.0.0.2", 1)} },
			"unavailable: provider_unreachable", false},
		{"LDAPS where StartTLS is spoken", func(c *provider.Config) { c.URLs = []string{strings.Replace(d.URL, "ldap:", "ldaps:", 1)} },
			"unavailable: provider_unreachable", false},
		{"nothing listens", func(c *provider.Config) { c.URLs = []string{"ldaps://127.0.0.1:1"} }, "unavailable: provider_unreachable", false},
		{"wrong service password", func(c *provider.Config) { c.BindPassword = "wrong" }, "unavailable: directory_setup", false},
		{"no such base", func(c *provider.Config) { c.UserBase = "ou=nowhere," + d.BaseDN }, "unavailable: directory_setup", false},
		{"no such base of groups", func(c *provider.Config) { c.Groups.Base = "ou=nowhere," + d.BaseDN }, "unavailable: directory_setup", true},
		{"no such id", func(c *provider.Config) { c.Attributes.ID = "objectGUID" }, "unavailable: directory_setup", true},
		{"ambiguous filter", func(c *provider.Config) { c.UserFilter = "(|(uid={login})(uid=bob))" }, "wrong password", true},
		{"the second address helps", func(c *provider.Config) { c.URLs = []string{"ldaps://127.0.0.1:1", d.TLSURL} }, "signed in", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := directoryConfig(d)
			tt.change(&c)
			p := openDirectory(t, c, nil)
			_, err := p.CheckPassword(context.Background(), "alice", "alice-pw-1")
			if got := refusal(err); got != tt.want {
				t.Errorf("CheckPassword: %s, want %s (%v)", got, tt.want, err)
			}
			if fault.Is(err, fault.Unavailable) {
				wantPlain(t, err, "127.0.0", "ou=", "cn=")
			}
			if err != nil && strings.Contains(err.Error(), "pw-1") {
				t.Errorf("the log would show a password: %v", err)
			}
			if err := p.(identity.Pinger).Ping(context.Background()); (err == nil) != tt.ping {
				t.Errorf("Ping: %v, want good %v", err, tt.ping)
			}
		})
	}
}

func TestDirectoryComesBack(t *testing.T) {
	d := realtest.Slapd(t)
	k := &clock{}
	p := openDirectory(t, directoryConfig(d), k.now)
	check := func() string {
		_, err := p.CheckPassword(context.Background(), "alice", "alice-pw-1")
		return refusal(err)
	}
	if got := check(); got != "signed in" {
		t.Fatal(got)
	}
	d.Stop(t)
	for range 5 {
		if got := check(); got != "unavailable: provider_unreachable" {
			t.Errorf("a stopped directory: %s", got)
		}
		k.advance(6 * time.Second)
	}
	d.Restart(t)
	k.advance(6 * time.Second)
	if got := check(); got != "signed in" {
		t.Errorf("after the restart: %s", got)
	}
}
