package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"crmgate/internal/app"
	"crmgate/internal/audit"
	"crmgate/internal/realtest"
)

// staffGate starts a gateway with one directory and returns its address.
func staffGate(t *testing.T, directory string) (string, *app.App) {
	t.Helper()
	l, gate := listen(t)
	a := start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
local: {lockout: {failures: 4, window: 15m, duration: 15m}}
providers:
  - id: staff
    name: Staff directory
    password: {reset_url: "https://password.example.test/", help: "Or call extension 4357."}
%s
`, gate, t.TempDir(), recordingCRM(t).URL, directory))
	return gate, a
}

func slapdEntry(d *realtest.Directory, more string) string {
	return fmt.Sprintf(`
    type: ldap
    domains: [example.test]
    urls: [%q]
    ca_file: %q
    bind_dn: %q
    bind_password: %q
    user_base: %q
    %s
`, d.TLSURL, d.CAFile, d.ChangerDN, d.BindPassword, d.PeopleBase, more)
}

// must fails where a browser could not do what it was told.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// signInTo goes to a page of the CRM and types name and password.
func signInTo(t *testing.T, gate, login, password string) *browser {
	t.Helper()
	b := newBrowser(t)
	must(t, b.open(gate+"/deals"))
	must(t, b.submit(map[string]string{"identifier": login}))
	must(t, b.submit(map[string]string{"identifier": login, "password": password}))
	return b
}

func change(t *testing.T, b *browser, current, fresh string) {
	t.Helper()
	must(t, b.submit(map[string]string{"current_password": current, "password": fresh, "password_confirm": fresh}))
}

// choose answers the page that follows a right password which holds no longer.
func choose(t *testing.T, b *browser, fresh string) {
	t.Helper()
	must(t, b.submit(map[string]string{"password": fresh, "password_confirm": fresh}))
}

// An expired password, or one that an administrator set, is changed on the way in, and the person lands where they were going.
func TestExpiredPasswordIsChangedOnTheWayIn(t *testing.T) {
	const fresh = "Three-new-words-9"
	for _, tt := range []struct {
		name string
		gate func(*testing.T) string
		pw   func(string) string
		mail string
	}{
		{"OpenLDAP", func(t *testing.T) string {
			gate, _ := staffGate(t, slapdEntry(realtest.Slapd(t), "password_change: true"))
			return gate
		}, func(name string) string { return name + "-pw-1" }, "@example.test"},
		{"Active Directory", func(t *testing.T) string {
			d := realtest.SambaAD(t)
			gate, _ := staffGate(t, fmt.Sprintf(`
    type: active_directory
    domains: [corp.test]
    urls: [%q]
    ca_file: %q
    bind_dn: %q
    bind_password: %q
    user_base: %q
    password_change: true
`, d.TLSURL, d.CAFile, d.BindDN, d.BindPassword, d.BaseDN))
			return gate
		}, func(name string) string { return strings.ToUpper(name[:1]) + name[1:] + "-pw-1" }, "@corp.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gate := tt.gate(t)
			for name, says := range map[string]string{"mustchange": "wants you to set a new password", "expired": "has expired"} {
				b := signInTo(t, gate, name+tt.mail, tt.pw(name))
				if b.status != http.StatusForbidden || !strings.Contains(b.parse().text, says) {
					t.Fatalf("%s: %d %s", name, b.status, b.parse().text)
				}
				choose(t, b, "x")
				if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.parse().text, "too short for Staff directory") {
					t.Fatalf("%s, too short: %d %s", name, b.status, b.parse().text)
				}
				choose(t, b, fresh)
				if b.status != http.StatusOK || !strings.Contains(b.body, "CRM /deals for "+name+tt.mail) {
					t.Fatalf("%s, changed: %d %s", name, b.status, b.body)
				}
				if again := signInTo(t, gate, name+tt.mail, tt.pw(name)); again.status != http.StatusUnauthorized {
					t.Errorf("%s, the old password: %d", name, again.status)
				}
				if again := signInTo(t, gate, name+tt.mail, fresh); again.status != http.StatusOK {
					t.Errorf("%s, the new password: %d", name, again.status)
				}
			}
		})
	}
}

func TestExpiredPasswordIsChangedElsewhere(t *testing.T) {
	gate, _ := staffGate(t, slapdEntry(realtest.Slapd(t), "password_change: false"))
	b := signInTo(t, gate, "expired@example.test", "expired-pw-1")
	text := b.parse().text
	if b.status != http.StatusForbidden || !strings.Contains(text, "has expired") || !strings.Contains(text, "Or call extension 4357.") ||
		!strings.Contains(b.body, `href="https://password.example.test/"`) {
		t.Errorf("%d %s", b.status, b.body)
	}
	must(t, b.open(gate+"/_gate/sign-in/change-password?provider=staff"))
	if b.status != http.StatusOK || !strings.Contains(b.body, `href="https://password.example.test/"`) {
		t.Errorf("the page itself: %d %s", b.status, b.body)
	}
}

// The page that changes passwords counts guesses with the sign-in page, in one count, and says no more.
func TestChangePageIsNoOracle(t *testing.T) {
	d := realtest.Slapd(t)
	gate, a := staffGate(t, slapdEntry(d, "password_change: true"))
	page := gate + "/_gate/sign-in/change-password?provider=staff"
	try := func(login, current string) *browser {
		t.Helper()
		b := newBrowser(t)
		must(t, b.open(page))
		must(t, b.submit(map[string]string{"identifier": login, "current_password": current, "password": "Three-new-words-9", "password_confirm": "Three-new-words-9"}))
		return b
	}
	answers := map[string]string{}
	for _, login := range []string{"bob", "nobody", "locked", "expired", "mustchange"} {
		b := try(login, "wrong")
		answers[b.parse().text] = login
		if b.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", login, b.status)
		}
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
	_ = signInTo(t, gate, "bob", "wrong")
	_ = try("bob", "wrong")
	_ = signInTo(t, gate, "bob", "wrong")
	if b := try("bob", d.Password("bob")); b.status != http.StatusTooManyRequests {
		t.Errorf("the right password after four wrong ones in both places: %d %s", b.status, b.parse().text)
	}
	events, err := a.DB.ListEvents(context.Background(), audit.Filter{})
	must(t, err)
	reasons, _ := json.Marshal(events)
	if !strings.Contains(string(reasons), `"account_locked"`) {
		t.Errorf("the audit trail does not know that the account was locked: %s", reasons)
	}
}

// Somebody who is signed in changes the password that still holds.
func TestKnownPasswordIsChanged(t *testing.T) {
	gate, _ := staffGate(t, slapdEntry(realtest.Slapd(t), "password_change: true"))
	b := signInTo(t, gate, "alice@example.test", "alice-pw-1")
	must(t, b.open(gate+"/.well-known/change-password"))
	if !strings.HasSuffix(b.url.Path, "/sign-in/change-password") || !strings.Contains(b.body, `value="alice"`) {
		t.Fatalf("%s: %s", b.url, b.body)
	}
	change(t, b, "alice-pw-1", "Three-new-words-9")
	if b.status != http.StatusOK || !strings.Contains(b.body, "for alice@example.test") {
		t.Errorf("%d %s", b.status, b.body)
	}
}

// A session ends soon after its person's entry does, and stays while the directory is down.
func TestDirectorySessionEndsWithTheEntry(t *testing.T) {
	d := realtest.Slapd(t)
	gate, _ := staffGate(t, slapdEntry(d, "revalidate: 1s"))
	ann, bob := signInTo(t, gate, "alice@example.test", "alice-pw-1"), signInTo(t, gate, "bob@example.test", "bob-pw-1")
	d.Change(t, "dn: "+d.PersonDN("bob")+"\nchangetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n")
	signedIn := func(b *browser) bool {
		must(t, b.open(gate+"/_gate/session"))
		return b.status == http.StatusOK
	}
	end := time.Now().Add(time.Minute)
	for signedIn(bob) {
		if time.Now().After(end) {
			t.Fatal("a locked account is still signed in after a minute")
		}
		must(t, bob.open(gate+"/deals"))
		time.Sleep(200 * time.Millisecond)
	}
	d.Stop(t)
	for range 10 {
		must(t, ann.open(gate+"/deals"))
		time.Sleep(200 * time.Millisecond)
	}
	if !signedIn(ann) {
		t.Error("a directory that is down ended a session")
	}
}
