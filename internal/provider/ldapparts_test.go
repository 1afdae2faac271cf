package provider

import (
	"errors"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

func TestAccountName(t *testing.T) {
	for _, tt := range []struct{ typed, login, name string }{
		{"ann", "ann", "ann"},
		{`CORP\ann`, "ann", "ann"},
		{"ann@corp.example", "ann@corp.example", "ann"},
		{"Ann@CORP.Example", "Ann@CORP.Example", "Ann"},
		{"ann@mail.example", "ann@mail.example", "ann@mail.example"},
		{"ann@notcorp.example", "ann@notcorp.example", "ann@notcorp.example"},
		{"@corp.example", "@corp.example", "@corp.example"},
		{`CORP\`, "", ""},
	} {
		if login, name := accountName(tt.typed, "@corp.example"); login != tt.login || name != tt.name {
			t.Errorf("accountName(%q) = %q, %q; want %q, %q", tt.typed, login, name, tt.login, tt.name)
		}
	}
}

func TestDomainOfBase(t *testing.T) {
	for _, tt := range []struct{ dn, base, name string }{
		{"OU=People,DC=corp,DC=example", "DC=corp,DC=example", "corp.example"},
		{"dc=corp,dc=example", "dc=corp,dc=example", "corp.example"},
		{`OU=a\,b,OU=c,DC=corp`, "DC=corp", "corp"},
		{"o=Example", "o=Example", ""},
	} {
		if base, name := domainBase(tt.dn), domainName(tt.dn); !strings.EqualFold(base, tt.base) || name != tt.name {
			t.Errorf("%s: %q, %q; want %q, %q", tt.dn, base, name, tt.base, tt.name)
		}
	}
}

// What a real Active Directory writes into the answer to a bind.
func TestActiveDirectoryStates(t *testing.T) {
	for data, want := range map[string]state{
		"525": "", "52e": "", "57": "", "5320": "",
		"532": "password_expired", "773": "password_must_change", "533": "account_disabled", "701": "account_expired",
		"530": "sign_in_hours", "531": "sign_in_place", "775": "account_locked",
	} {
		if got := bindState("80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data " + data + ", v1db1\x00"); got != want {
			t.Errorf("data %s: %q, want %q", data, got, want)
		}
	}
}

func TestEveryStateHasASentence(t *testing.T) {
	d := &directory{cfg: Config{Name: "Corp", DirectoryConfig: DirectoryConfig{PasswordChange: true}}}
	seen := map[string]bool{}
	for _, s := range []state{stateExpired, stateMustChange, stateDisabled, stateEnded, stateLocked, stateHours, statePlace} {
		err := d.refusal(s)
		var f *fault.Error
		var must *identity.MustChange
		if !errors.As(err, &f) || f.Kind != fault.Forbidden || f.Reason != string(s) || !strings.Contains(f.Sentence, "Corp") || f.Next.Path == "" {
			t.Errorf("%s: %+v", s, err)
			continue
		}
		if seen[f.Sentence] {
			t.Errorf("%s says what another state says", s)
		}
		seen[f.Sentence] = true
		mine := s == stateExpired || s == stateMustChange
		if errors.As(err, &must) != mine || mine && (!must.Here || must.Expired != (s == stateExpired)) {
			t.Errorf("%s: %+v", s, must)
		}
	}
}

func TestPolicyStates(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := &directory{cfg: Config{Name: "Corp"}, env: Env{Now: func() time.Time { return now }}}
	policy := func(expire, grace int64, code int8) ldap.Control {
		return &ldap.ControlBeheraPasswordPolicy{Expire: expire, Grace: grace, Error: code}
	}
	vchu := &ldap.ControlVChuPasswordMustChange{MustChange: true}
	for _, tt := range []struct {
		name     string
		controls []ldap.Control
		letIn    bool
		want     proven
		locked   bool
	}{
		{"none", nil, true, proven{}, false},
		{"nothing to say", []ldap.Control{policy(-1, -1, -1)}, true, proven{}, false},
		{"expires", []ldap.Control{policy(60, -1, -1)}, true, proven{expires: now.Add(time.Minute)}, false},
		{"expired", []ldap.Control{policy(-1, -1, 0)}, false, proven{state: stateExpired}, false},
		{"expired, sign-ins left", []ldap.Control{policy(-1, 2, 0)}, true, proven{graced: true}, false},
		{"expired, the last sign-in", []ldap.Control{policy(-1, 0, 0)}, true, proven{graced: true}, false},
		{"expired, none left", []ldap.Control{policy(-1, 0, 0)}, false, proven{state: stateExpired}, false},
		{"locked", []ldap.Control{policy(-1, -1, 1)}, false, proven{}, true},
		{"must change", []ldap.Control{policy(-1, -1, 2)}, true, proven{state: stateMustChange}, false},
		{"must change at 389 Directory Server", []ldap.Control{vchu}, true, proven{state: stateMustChange}, false},
		{"expired at 389 Directory Server", []ldap.Control{vchu, policy(-1, -1, 0)}, false, proven{state: stateExpired}, false},
		{"expired at 389 Directory Server, no control", []ldap.Control{vchu}, false, proven{state: stateExpired}, false},
		{"expires at 389 Directory Server", []ldap.Control{&ldap.ControlVChuPasswordWarning{Expire: 60}}, true, proven{expires: now.Add(time.Minute)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got proven
			locked := d.readPolicy(&got, tt.controls, tt.letIn)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(proven{})); diff != "" || locked != tt.locked {
				t.Errorf("locked %v, (-want +got):\n%s", locked, diff)
			}
		})
	}
}

// What entries of the servers that are not among the tests say about their people.
func TestSigns(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	all := schemas()
	all["ad"] = activeDirectory()
	for _, tt := range []struct {
		name, schema, attribute, value string
		graced                         bool
		want                           state
	}{
		{"locked for good", "openldap", "pwdAccountLockedTime", "000001010000Z", false, stateLocked},
		{"locked for a while", "openldap", "pwdAccountLockedTime", "20260102030000Z", false, ""},
		{"account ended", "openldap", "pwdEndTime", "20260101000000Z", false, stateEnded},
		{"shadow account ended", "openldap", "shadowExpire", "20000", false, stateEnded},
		{"shadow account ends later", "openldap", "shadowExpire", "30000", false, ""},
		{"shadow account never ends", "openldap", "shadowExpire", "-1", false, ""},
		{"must change", "openldap", "pwdReset", "TRUE", false, stateMustChange},

		{"disabled", "389ds", "nsAccountLock", "true", false, stateDisabled},
		{"not disabled", "389ds", "nsAccountLock", "false", false, ""},
		{"locked until an administrator acts", "389ds", "accountUnlockTime", "19700101000000Z", false, stateLocked},
		{"locked for a while", "389ds", "accountUnlockTime", "20260102040000Z", false, ""},
		{"set by an administrator", "389ds", "passwordExpirationTime", "19700101000000Z", false, stateMustChange},
		{"expired, which the server judges", "389ds", "passwordExpirationTime", "20250101000000Z", false, ""},

		{"disabled", "freeipa", "nsaccountlock", "TRUE", false, stateDisabled},
		{"account ended", "freeipa", "krbPrincipalExpiration", "20260101000000Z", false, stateEnded},
		{"password expired, the bind succeeds", "freeipa", "krbPasswordExpiration", "20260101000000Z", false, stateExpired},
		{"password expired, sign-ins left", "freeipa", "krbPasswordExpiration", "20260101000000Z", true, ""},
		{"password good", "freeipa", "krbPasswordExpiration", "20270101000000Z", false, ""},

		{"disabled", "ad", "userAccountControl", "514", false, stateDisabled},
		{"not disabled", "ad", "userAccountControl", "66048", false, ""},
		{"account ended", "ad", "accountExpires", "132223104000000000", false, stateEnded},
		{"account never ends", "ad", "accountExpires", "9223372036854775807", false, ""},
		{"account has no end", "ad", "accountExpires", "0", false, ""},
		{"must change", "ad", "msDS-UserPasswordExpiryTimeComputed", "0", false, stateMustChange},
		{"password expired", "ad", "msDS-UserPasswordExpiryTimeComputed", "132223104000000000", false, stateExpired},
		{"password never expires", "ad", "msDS-UserPasswordExpiryTimeComputed", "9223372036854775807", false, ""},
		{"junk", "ad", "accountExpires", "tomorrow", false, ""},
		{"junk", "freeipa", "krbPasswordExpiration", "tomorrow", false, ""},
	} {
		t.Run(tt.schema+", "+tt.name, func(t *testing.T) {
			d := &directory{schema: all[tt.schema], env: Env{Now: func() time.Time { return now }}}
			found := proven{graced: tt.graced, entry: ldap.NewEntry("cn=x", map[string][]string{tt.attribute: {tt.value}})}
			if got := d.standing(found); got != tt.want {
				t.Errorf("standing: %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFreeIPAGroups(t *testing.T) {
	d := &directory{cfg: presetLDAP(Config{DirectoryConfig: DirectoryConfig{Schema: "freeipa"}}), schema: schemas()["freeipa"]}
	got, err := d.memberOf(ldap.NewEntry("uid=ann", map[string][]string{"memberOf": {
		"cn=crm-users,cn=groups,cn=accounts,dc=ipa,dc=test", "ipaUniqueID=1b2c,cn=hbac,dc=ipa,dc=test", "cn=helpdesk,cn=roles,cn=accounts,dc=ipa,dc=test",
	}}))
	if diff := cmp.Diff([]string{"crm-users"}, got); diff != "" || err != nil {
		t.Errorf("memberOf: %v (-want +got):\n%s", err, diff)
	}
}

func TestGeneralizedTime(t *testing.T) {
	for value, want := range map[string]string{
		"20260102030405Z": "2026-01-02T03:04:05Z", "20260102030405.5Z": "2026-01-02T03:04:05.5Z", "202601020304Z": "2026-01-02T03:04:00Z",
		"20260102030405+0100": "2026-01-02T02:04:05Z", "": "", "2026": "", "tomorrow": "",
	} {
		got, ok := generalizedTime(value)
		if ok != (want != "") || ok && got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("generalizedTime(%q) = %s, %v; want %q", value, got, ok, want)
		}
	}
}

// Real refusals of real servers; what they do not say stays general.
func TestRefusedChanges(t *testing.T) {
	for text, want := range map[string]change{
		"0000052D: Constraint violation - check_password_restrictions: the password is too short. It should be equal or longer than 8 characters!": changeShort,
		"0000052D: Constraint violation - check_password_restrictions: the password was already used (in history)!":                                changeUsed,
		"0000052D: Constraint violation - check_password_restrictions: the password does not meet the complexity criteria!":                        changeWeak,
		"0000052D: Constraint violation - check_password_restrictions: password is too young to change!":                                           changeYoung,
		"0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0":                                                                 changeRefused,
		"Password fails quality checking policy":                                    changeWeak,
		"Password is in history of old passwords":                                   changeUsed,
		"Password is too young to change":                                           changeYoung,
		"invalid password syntax - password must be at least 8 characters long":     changeShort,
		"invalid password syntax - a minimum of 3 character categories is required": changeWeak,
		"password in history":                                                       changeUsed,
		"Password reuse not permitted":                                              changeUsed,
		"Too soon to change password":                                               changeYoung,
		"Password is too simple":                                                    changeWeak,
		"":                                                                          changeRefused,
	} {
		if got := changeIn(text); got != want {
			t.Errorf("changeIn(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestGroupSID(t *testing.T) {
	person := []byte{1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0x55, 4, 0, 0}
	if got := groupSID(person, "513"); !cmp.Equal(got, []byte{1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 2, 0, 0}) {
		t.Errorf("groupSID = %v", got)
	}
	for _, bad := range []struct {
		sid []byte
		rid string
	}{{nil, "513"}, {person[:15], "513"}, {person[:8], "513"}, {person, ""}, {person, "-1"}, {person, "4294967296"}} {
		if got := groupSID(bad.sid, bad.rid); got != nil {
			t.Errorf("groupSID(%v, %q) = %v", bad.sid, bad.rid, got)
		}
	}
	if person[12] != 0x55 {
		t.Error("the person's own SID was written to")
	}
}

// What was stored finds the same entry again, whatever its id looks like.
func FuzzIDInFilter(f *testing.F) {
	f.Add("objectGUID", []byte("0123456789abcdef"))
	f.Add("entryUUID", []byte("bd9f6e9a-5b9e-103f-8a5d-5f8d5a0f2d11"))
	f.Add("nsUniqueId", []byte("*)(uid=*"))
	f.Add("binary", []byte{0xff, 0, '*', '('})
	f.Add("objectGUID", []byte("short"))
	f.Fuzz(func(t *testing.T, attribute string, raw []byte) {
		if attribute != "objectGUID" && attribute != "entryUUID" && attribute != "binary" {
			return
		}
		subject := stableID(attribute, raw)
		filter := idFilter(attribute, subject)
		packet, err := ldap.CompileFilter(filter)
		if err != nil {
			t.Fatalf("%q: %v", filter, err)
		}
		found := false
		leaves := []*ber.Packet{packet}
		if packet.Tag == ldap.FilterOr {
			leaves = packet.Children
		}
		for _, leaf := range leaves {
			if leaf.Tag != ldap.FilterEqualityMatch {
				t.Fatalf("%q changes the filter", subject)
			}
			found = found || leaf.Children[1].Data.String() == string(raw)
		}
		if !found && len(raw) > 0 {
			t.Errorf("%q does not look for %q", filter, raw)
		}
	})
}
