package provider_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
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

// domainConfig is an entry for the domain of the tests, over LDAPS.
func domainConfig(d *realtest.Domain) provider.Config {
	c := provider.Config{}.Default()
	c.ID, c.Type, c.Name = "ad", "active_directory", "Corp"
	c.Domains = []string{"corp.test"}
	c.URLs, c.CAFile = []string{d.TLSURL}, d.CAFile
	c.BindDN, c.UserBase = d.BindDN, d.BaseDN // the root of the domain answers with references to other servers
	c.BindPassword = "Crmgate-pw-1"
	return c
}

func TestActiveDirectorySignIn(t *testing.T) {
	d := realtest.SambaAD(t)
	p := openDirectory(t, domainConfig(d), nil)
	for range 3 {
		_, _ = p.CheckPassword(context.Background(), "locked", "wrong")
	}
	tests := []struct{ name, login, password, want string }{
		{"by bare name", "alice", "alice", "signed in"},
		{"by principal name", "alice@corp.test", "alice", "signed in"},
		{"by principal name in capitals", "ALICE@CORP.TEST", "alice", "signed in"},
		{"by domain and name", `CORP\alice`, "alice", "signed in"},
		{"by address", "alice.example@corp.test", "alice", "signed in"},
		{"by the name that everybody has", "bob@corp.test", "bob", "signed in"},
		{"a DN and a principal name that need escaping", "o'dd(x)@corp.test", "odd", "signed in"},

		{"wrong password", "alice", "bob", "wrong password"},
		{"nobody", "nobody", "alice", "wrong password"},
		{"everybody", "*", "alice", "wrong password"},
		{"injection", "alice)(objectClass=*", "alice", "wrong password"},
		{"a DN", "CN=Alice Example," + d.PeopleBase, "alice", "wrong password"},
		{"another domain's name", "alice@other.test", "alice", "wrong password"},
		{"locked (775), right password", "locked", "locked", "wrong password"},
		{"locked (775), wrong password", "locked", "bob", "wrong password"},

		{"disabled (533)", "disabled", "disabled", "forbidden: account_disabled"},
		{"account expired (701)", "ended", "ended", "forbidden: account_expired"},
		{"outside the hours (530)", "hours", "hours", "forbidden: sign_in_hours"},
		{"must change (773)", "mustchange", "mustchange", "forbidden: password_must_change"},
		{"password expired (532)", "expired", "expired", "forbidden: password_expired"},
		{"disabled, wrong password", "disabled", "bob", "wrong password"},
		{"account expired, wrong password", "ended", "bob", "wrong password"},
		{"outside the hours, wrong password", "hours", "bob", "wrong password"},
		{"must change, wrong password", "mustchange", "bob", "wrong password"},
		{"password expired, wrong password", "expired", "bob", "wrong password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.CheckPassword(context.Background(), tt.login, d.Password(tt.password))
			if got := refusal(err); got != tt.want {
				t.Errorf("CheckPassword: %s, want %s (%v)", got, tt.want, err)
			}
			if fault.Is(err, fault.Forbidden) {
				wantPlain(t, err, "data", "8009", "DSID")
			}
		})
	}
	// What is not said to the person stands in the audit trail.
	_, err := p.CheckPassword(context.Background(), "locked", d.Password("locked"))
	var wrong identity.WrongPassword
	if !errors.As(err, &wrong) || wrong.Reason != "account_locked" {
		t.Errorf("a locked account: %#v", err)
	}
}

func TestActiveDirectoryIdentity(t *testing.T) {
	d := realtest.SambaAD(t)
	alice := func(groups ...string) identity.Identity {
		return identity.Identity{Provider: "ad", Issuer: "ldap:ad", Email: "alice.example@corp.test", EmailVerified: true,
			Name: "Alice Example", Username: "alice", Groups: groups, AMR: []string{"pwd"}}
	}
	tests := []struct {
		name   string
		change func(*provider.Config)
		want   identity.Identity
	}{
		{"own groups and the primary one", func(*provider.Config) {}, alice("Domain Users", "crm-admins")},
		{"groups of groups", func(c *provider.Config) { c.Groups.Nested = true },
			alice("Domain Users", "Users", "all-staff", "crm-admins", "crm-users", "everybody")},
		{"groups of groups below a base", func(c *provider.Config) { c.Groups.Nested, c.Groups.Base = true, d.GroupBase },
			alice("all-staff", "crm-admins", "crm-users", "everybody")},
		{"own groups below a base", func(c *provider.Config) { c.Groups.Base = d.GroupBase }, alice("crm-admins")},
		{"over StartTLS", func(c *provider.Config) { c.URLs, c.StartTLS = []string{d.URL}, true }, alice("Domain Users", "crm-admins")},
		{"the service account as DN", func(c *provider.Config) { c.BindDN = "CN=Gateway Service,CN=Users," + d.BaseDN }, alice("Domain Users", "crm-admins")},
	}
	subjects := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := domainConfig(d)
			tt.change(&c)
			got, err := openDirectory(t, c, nil).CheckPassword(context.Background(), "alice", d.Password("alice"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(identity.Identity{}, "Subject", "AuthTime", "PasswordExpires")); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
			if left := time.Until(got.PasswordExpires); left < 24*time.Hour || left > 366*24*time.Hour {
				t.Errorf("the password ends in %s", left)
			}
			subjects[got.Subject] = true
		})
	}
	for s := range subjects {
		if len(subjects) != 1 || len(s) != 36 || strings.Count(s, "-") != 4 {
			t.Errorf("one person has the subjects %v", subjects)
		}
	}
}

// A domain controller takes no password in the clear, and the gateway does not offer one.
func TestActiveDirectoryInTheClear(t *testing.T) {
	d := realtest.SambaAD(t)
	c := domainConfig(d)
	c.URLs = []string{d.URL}
	if problems := c.Validate(); len(problems) != 1 || problems[0].Path != "urls[0]" {
		t.Errorf("Validate: %+v", problems)
	}
	if _, err := provider.Open(c, provider.Env{}); err == nil {
		t.Error("Open takes an address in the clear")
	}
}

// rewriting is a server before the real one that puts other bytes into its answers: what Samba does not say.
func rewriting(t *testing.T, d *realtest.Domain, old, fresh string) (url, ca string) {
	t.Helper()
	own := realtest.NewCertificate(t)
	pair, err := tls.LoadX509KeyPair(own.CertFile, own.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	tap := newTap(t, func(c net.Conn) {
		down := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
		up, err := tls.Dial("tcp", strings.TrimPrefix(d.TLSURL, "ldaps://")+":636", &tls.Config{InsecureSkipVerify: true}) // a test's server on loopback
		if err != nil {
			return
		}
		defer up.Close()
		go func() { _, _ = io.Copy(up, down); _ = up.Close() }()
		for b := make([]byte, 1<<16); ; {
			n, err := up.Read(b)
			if err != nil {
				return
			}
			_, _ = down.Write(bytes.ReplaceAll(b[:n], []byte(old), []byte(fresh)))
		}
	})
	return "ldaps://" + tap.url, own.CAFile
}

func TestActiveDirectoryRareStates(t *testing.T) {
	d := realtest.SambaAD(t)
	for _, tt := range []struct{ name, old, fresh, login, want string }{
		{"not from here (531)", "data 533", "data 531", "disabled", "forbidden: sign_in_place"},
		{"nobody, as Windows says it (525)", "data 533", "data 525", "disabled", "wrong password"},
		{"a number that nobody knows", "data 533", "data fff", "disabled", "wrong password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := domainConfig(d)
			url, ca := rewriting(t, d, tt.old, tt.fresh)
			c.URLs, c.CAFile = []string{url}, ca
			_, err := openDirectory(t, c, nil).CheckPassword(context.Background(), tt.login, d.Password(tt.login))
			if got := refusal(err); got != tt.want {
				t.Errorf("CheckPassword: %s, want %s (%v)", got, tt.want, err)
			}
		})
	}
	// Windows does not say what is wrong with a new password; then the domain's rules are told.
	c := domainConfig(d)
	const samba, windows = "the password is too short. It should be equal or longer than 8 characters", "SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0"
	url, ca := rewriting(t, d, samba, windows+strings.Repeat(" ", len(samba)-len(windows)))
	c.URLs, c.CAFile, c.PasswordChange = []string{url}, ca, true
	err := openDirectory(t, c, nil).(identity.PasswordChanger).ChangePassword(context.Background(), "alice", d.Password("alice"), "Sh0rt!")
	if got := changed(err); got != "invalid: password_refused" {
		t.Fatalf("a refusal without a reason: %s (%v)", got, err)
	}
	var f *fault.Error
	errors.As(err, &f)
	want := "Corp did not accept the new password. What it asks for: at least 8 characters; three of these four: capital letters, small letters, digits, symbols; " +
		"no part of your name; none of your last 3 passwords."
	if diff := cmp.Diff(want, f.Sentence); diff != "" {
		t.Errorf("sentence (-want +got):\n%s", diff)
	}
}

func TestActiveDirectoryPasswordChange(t *testing.T) {
	d := realtest.SambaAD(t)
	c := domainConfig(d)
	c.PasswordChange = true
	p := openDirectory(t, c, nil).(identity.PasswordChanger)
	const fresh = `Quite "new" pässwörd 9`
	for range 3 {
		_, _ = p.CheckPassword(context.Background(), "locked", "wrong")
	}
	tests := []struct{ name, login, current, fresh, want string }{
		{"wrong current password", "bob", "wrong", fresh, "wrong password"},
		{"nobody", "nobody", "wrong", fresh, "wrong password"},
		{"must change, wrong current password", "mustchange", "wrong", fresh, "wrong password"},
		{"locked", "locked", d.Password("locked"), fresh, "wrong password"},
		{"disabled", "disabled", d.Password("disabled"), fresh, "forbidden: account_disabled"},
		{"account expired", "ended", d.Password("ended"), fresh, "forbidden: account_expired"},
		{"the same again", "bob", d.Password("bob"), d.Password("bob"), "invalid: password_same"},
		{"too short", "bob", d.Password("bob"), "Sh0rt!", "invalid: password_short"},
		{"too simple", "bob", d.Password("bob"), "onlysmallletters", "invalid: password_weak"},
		{"must change, too short", "mustchange", d.Password("mustchange"), "Sh0rt!", "invalid: password_short"},
		{"good", "bob", d.Password("bob"), fresh, "changed"},
		{"used before", "bob", fresh, d.Password("bob"), "invalid: password_used"},
		{"by domain and name", `CORP\alice`, d.Password("alice"), fresh, "changed"},
		{"a DN that needs escaping", "odd", d.Password("odd"), fresh, "changed"},
		{"must change", "mustchange", d.Password("mustchange"), fresh, "changed"},
		{"expired", "expired", d.Password("expired"), fresh, "changed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := p.ChangePassword(context.Background(), tt.login, tt.current, tt.fresh)
			if got := changed(err); got != tt.want {
				t.Fatalf("ChangePassword: %s, want %s (%v)", got, tt.want, err)
			}
			if tt.want == "invalid: password_short" && !strings.Contains(err.Error(), "at least 8 characters") {
				t.Errorf("the length is not told: %v", err)
			}
			if tt.want == "changed" {
				if _, err := p.CheckPassword(context.Background(), tt.login, tt.fresh); err != nil {
					t.Errorf("sign-in with the new password: %v", err)
				}
				if _, err := p.CheckPassword(context.Background(), tt.login, tt.current); !errors.Is(err, identity.ErrWrongPassword) {
					t.Errorf("sign-in with the old password: %v", err)
				}
			}
		})
	}
	d.Change(t, "dn: CN=Dora Disabled,"+d.PeopleBase+"\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 512\n-\nreplace: pwdLastSet\npwdLastSet: -1\n")
	d.Change(t, "dn: "+d.BaseDN+"\nchangetype: modify\nreplace: minPwdAge\nminPwdAge: -864000000000\n")
	err := p.ChangePassword(context.Background(), "disabled", d.Password("disabled"), fresh)
	if got := changed(err); got != "invalid: password_young" {
		t.Errorf("changed a moment ago: %s (%v)", got, err)
	}
}

func TestActiveDirectoryRevalidate(t *testing.T) {
	d := realtest.SambaAD(t)
	p := openDirectory(t, domainConfig(d), nil)
	dn := "dn: CN=Bob Example," + d.PeopleBase + "\n"
	signIn := func() identity.Identity {
		t.Helper()
		id, err := p.CheckPassword(context.Background(), "bob", d.Password("bob"))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	id := signIn()
	for _, tt := range []struct{ name, ldif, want string }{
		{"nothing changed", "", "signed in"},
		{"renamed", dn + "changetype: modify\nreplace: sAMAccountName\nsAMAccountName: robert\n", "signed in"},
		{"another group", "dn: CN=all-staff," + d.GroupBase + "\nchangetype: modify\nadd: member\nmember: CN=Bob Example," + d.PeopleBase + "\n", "signed in"},
		{"disabled", dn + "changetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n", "unauthenticated: account_disabled"},
		{"enabled", dn + "changetype: modify\nreplace: userAccountControl\nuserAccountControl: 512\n", "signed in"},
		{"account expired", dn + "changetype: modify\nreplace: accountExpires\naccountExpires: 132223104000000000\n", "unauthenticated: account_expired"},
		{"account lasts", dn + "changetype: modify\nreplace: accountExpires\naccountExpires: 0\n", "signed in"},
		{"must change", dn + "changetype: modify\nreplace: pwdLastSet\npwdLastSet: 0\n", "unauthenticated: password_must_change"},
		{"need not change", dn + "changetype: modify\nreplace: pwdLastSet\npwdLastSet: -1\n", "signed in"},
		{"guessed at by a stranger", "guess", "signed in"},
		{"removed", dn + "changetype: delete\n", "unauthenticated: account_gone"},
	} {
		switch tt.ldif {
		case "":
		case "guess":
			for range 3 {
				_, _ = p.CheckPassword(context.Background(), "robert", "wrong")
			}
		default:
			d.Change(t, tt.ldif)
		}
		again, err := p.(identity.Revalidator).Revalidate(context.Background(), identity.Grant{Issuer: id.Issuer, Subject: id.Subject})
		if got := refusal(err); got != tt.want {
			t.Fatalf("%s: %s, want %s (%v)", tt.name, got, tt.want, err)
		}
		if err != nil {
			continue
		}
		want := []string{"Domain Users", "crm-users"}
		if tt.name != "nothing changed" && tt.name != "renamed" {
			want = []string{"Domain Users", "all-staff", "crm-users"}
		}
		if diff := cmp.Diff(want, again.Groups); diff != "" || again.Subject != id.Subject {
			t.Errorf("%s: subject %q, groups (-want +got):\n%s", tt.name, again.Subject, diff)
		}
	}
}
