package provider_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/identity"
	"crmgate/internal/realtest"
)

func TestDirectoryRevalidate(t *testing.T) {
	const wide = "(&(objectClass=inetOrgPerson)(uid={login}))"
	tests := []struct {
		name, filter string
		ldif         func(d *realtest.Directory) string
		want         string
	}{
		{"nothing changed", "", nil, "signed in"},
		{"renamed", "", func(d *realtest.Directory) string {
			return "dn: " + d.PersonDN("bob") + "\nchangetype: modrdn\nnewrdn: uid=robert\ndeleteoldrdn: 1\n"
		}, "signed in"},
		{"removed", "", func(d *realtest.Directory) string { return "dn: " + d.PersonDN("bob") + "\nchangetype: delete\n" }, "unauthenticated: account_gone"},
		{"locked by an administrator", "", func(d *realtest.Directory) string {
			return "dn: " + d.PersonDN("bob") + "\nchangetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n"
		}, "unauthenticated: account_locked"},
		{"must change", "", func(d *realtest.Directory) string {
			return "dn: " + d.PersonDN("bob") + "\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n"
		}, "unauthenticated: password_must_change"},
		{"the account has ended", "", func(d *realtest.Directory) string {
			return "dn: " + d.PersonDN("bob") + "\nchangetype: modify\nreplace: pwdEndTime\npwdEndTime: 20200101000000Z\n"
		}, "unauthenticated: account_expired"},
		{"out of the filter", "(&(uid={login})(employeeType=crm))", func(d *realtest.Directory) string {
			return "dn: " + d.PersonDN("bob") + "\nchangetype: modify\ndelete: employeeType\n"
		}, "unauthenticated: account_gone"},
		{"still in the filter", "(&(uid={login})(employeeType=crm))", nil, "signed in"},
		{"a filter that takes no asterisk", "(uid:caseIgnoreMatch:={login})", nil, "signed in"},
		{"out of a filter that takes no asterisk", "(&(uid:caseIgnoreMatch:={login})(employeeType=crm))", func(d *realtest.Directory) string {
			return "dn: " + d.PersonDN("bob") + "\nchangetype: modify\nreplace: employeeType\nemployeeType: other\n"
		}, "unauthenticated: account_gone"},
		{"moved out of the base", wide, func(d *realtest.Directory) string {
			return "dn: " + d.PersonDN("bob") + "\nchangetype: modrdn\nnewrdn: uid=bob\ndeleteoldrdn: 1\nnewsuperior: ou=services," + d.BaseDN + "\n"
		}, "unauthenticated: account_gone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := realtest.Slapd(t)
			d.Change(t, "dn: "+d.PersonDN("bob")+"\nchangetype: modify\nadd: employeeType\nemployeeType: crm\n")
			c := directoryConfig(d)
			if tt.filter != "" {
				c.UserFilter = tt.filter
			}
			p := openDirectory(t, c, nil)
			id, err := p.CheckPassword(context.Background(), "bob", "bob-pw-1")
			if err != nil {
				t.Fatal(err)
			}
			if tt.ldif != nil {
				d.Change(t, tt.ldif(d))
			}
			again, err := p.(identity.Revalidator).Revalidate(context.Background(), identity.Grant{Issuer: id.Issuer, Subject: id.Subject})
			if got := refusal(err); got != tt.want {
				t.Fatalf("Revalidate: %s, want %s (%v)", got, tt.want, err)
			}
			if err == nil && again.Subject != id.Subject {
				t.Errorf("subject %q became %q", id.Subject, again.Subject)
			}
			if err != nil {
				wantPlain(t, err, "ou=", "pwd")
			}
		})
	}
}

func TestDirectoryRevalidateReadsGroupsAgain(t *testing.T) {
	d := realtest.Slapd(t)
	p := openDirectory(t, directoryConfig(d), nil)
	id, err := p.CheckPassword(context.Background(), "alice", "alice-pw-1")
	if err != nil {
		t.Fatal(err)
	}
	d.Change(t, "dn: cn=crm-users,"+d.GroupBase+"\nchangetype: modify\ndelete: member\nmember: "+d.PersonDN("alice")+"\n")
	d.Change(t, "dn: "+d.PersonDN("alice")+"\nchangetype: modify\nreplace: cn\ncn: Alice Smith\n")
	again, err := p.(identity.Revalidator).Revalidate(context.Background(), identity.Grant{Issuer: id.Issuer, Subject: id.Subject})
	if err != nil {
		t.Fatal(err)
	}
	want := id
	want.Groups, want.Name, want.AMR, want.AuthTime = []string{"crm-admins"}, "Alice Smith", nil, again.AuthTime
	if diff := cmp.Diff(want, again); diff != "" || !again.AuthTime.IsZero() {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

func TestDirectoryRevalidateKnowsNothing(t *testing.T) {
	d := realtest.Slapd(t)
	p := openDirectory(t, directoryConfig(d), nil).(identity.Revalidator)
	for _, g := range []identity.Grant{{}, {Issuer: "ldap:directory"}, {Issuer: "ldap:other", Subject: "x"}} {
		if _, err := p.Revalidate(context.Background(), g); !errors.Is(err, identity.ErrNothingToAsk) {
			t.Errorf("Revalidate(%+v): %v", g, err)
		}
	}
	d.Stop(t)
	_, err := p.Revalidate(context.Background(), identity.Grant{Issuer: "ldap:directory", Subject: "x"})
	if got := refusal(err); got != "unavailable: provider_unreachable" {
		t.Errorf("a stopped directory: %s", got)
	}
	c := directoryConfig(d)
	c.BindPassword = "wrong"
	d.Restart(t)
	_, err = openDirectory(t, c, nil).(identity.Revalidator).Revalidate(context.Background(), identity.Grant{Issuer: "ldap:directory", Subject: "x"})
	if got := refusal(err); got != "unavailable: directory_setup" {
		t.Errorf("a wrong service account: %s", got)
	}
}
