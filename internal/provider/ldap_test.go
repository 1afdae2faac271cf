package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
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
		{"ambiguous filter", func(c *provider.Config) { c.UserFilter = "(|(uid={login})(objectClass=person))" }, "wrong password", true},
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

// tap is a port that counts connections and passes them on, or does to them what a test wants.
type tap struct {
	url   string
	count atomic.Int64
}

func newTap(t *testing.T, serve func(net.Conn)) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{url: l.Addr().String()}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.count.Add(1)
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	return p
}

// passOn is a tap's way to the real directory.
func passOn(address string) func(net.Conn) {
	_, host, _ := strings.Cut(address, "://")
	return func(c net.Conn) {
		up, err := net.Dial("tcp", host)
		if err != nil {
			return
		}
		defer up.Close()
		go func() { _, _ = io.Copy(up, c); _ = up.Close() }()
		_, _ = io.Copy(c, up)
	}
}

func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func TestWrongPasswordsAreNotTriedElsewhere(t *testing.T) {
	d := realtest.Slapd(t)
	first, second := newTap(t, passOn(d.TLSURL)), newTap(t, passOn(d.TLSURL))
	c := directoryConfig(d)
	c.URLs = []string{"ldaps://" + first.url, "ldaps://" + second.url}
	p := openDirectory(t, c, nil)
	for _, login := range []string{"alice", "nobody"} {
		before := first.count.Load()
		if _, err := p.CheckPassword(context.Background(), login, "wrong"); !errors.Is(err, identity.ErrWrongPassword) {
			t.Errorf("%s: %v", login, err)
		}
		if n := first.count.Load() - before; n != 2 {
			t.Errorf("%s: %d connections, want one that looks up and one that binds", login, n)
		}
	}
	if _, err := p.CheckPassword(context.Background(), "alice", ""); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("empty password: %v", err)
	}
	if n := first.count.Load(); n != 4 {
		t.Errorf("an empty password reached the wire")
	}
	if n := second.count.Load(); n != 0 {
		t.Errorf("the second server was asked %d times about a wrong password", n)
	}
}

func TestSilentServers(t *testing.T) {
	d := realtest.Slapd(t)
	// Answers StartTLS with success and says nothing after it.
	startTLS := func(c net.Conn) {
		b := make([]byte, 512)
		if _, err := c.Read(b); err == nil {
			_, _ = c.Write([]byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x78, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00})
			silent(c)
		}
	}
	// Announces a gigabyte.
	flood := func(c net.Conn) {
		if _, err := c.Write([]byte{0x30, 0x84, 0x40, 0x00, 0x00, 0x00}); err != nil {
			return
		}
		for junk := make([]byte, 1<<16); ; {
			if _, err := c.Write(junk); err != nil {
				return
			}
		}
	}
	for _, tt := range []struct {
		name, scheme string
		serve        func(net.Conn)
	}{
		{"TLS never answered", "ldaps", silent}, {"StartTLS never answered", "ldap", silent},
		{"stalls in the handshake", "ldap", startTLS}, {"hangs up", "ldaps", func(net.Conn) {}}, {"floods", "ldap", flood},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := newTap(t, tt.serve)
			k := &clock{}
			c := directoryConfig(d)
			c.StartTLS, c.Timeout = true, 500*time.Millisecond
			c.URLs = []string{tt.scheme + "://" + bad.url, d.TLSURL}
			p := openDirectory(t, c, k.now)
			for i := range 3 {
				start := time.Now()
				if _, err := p.CheckPassword(context.Background(), "alice", "alice-pw-1"); err != nil {
					t.Errorf("the second server does not help: %v", err)
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("attempt %d took %s", i, took)
				}
			}
			if n := bad.count.Load(); n != 1 {
				t.Errorf("a server in trouble was asked %d times in a row", n)
			}
			k.advance(6 * time.Second)
			if _, err := p.CheckPassword(context.Background(), "alice", "alice-pw-1"); err != nil {
				t.Error(err)
			}
			if n := bad.count.Load(); n != 2 {
				t.Errorf("a server in trouble was asked %d times, want again after a pause", n)
			}
		})
	}
}

// A connection that breaks while the password is judged must not lead to a second judgement.
func TestBindIsSentOnce(t *testing.T) {
	d := realtest.Slapd(t)
	var n atomic.Int64
	pass := passOn(d.TLSURL)
	broken := newTap(t, func(c net.Conn) {
		if n.Add(1) == 1 { // looks up
			pass(c)
			return
		}
		pass(&afterHandshake{Conn: c}) // binds
	})
	second := newTap(t, pass)
	c := directoryConfig(d)
	c.URLs = []string{"ldaps://" + broken.url, "ldaps://" + second.url}
	_, err := openDirectory(t, c, nil).CheckPassword(context.Background(), "alice", "alice-pw-1")
	if got := refusal(err); got != "unavailable: provider_unreachable" {
		t.Errorf("CheckPassword: %s (%v)", got, err)
	}
	if n := second.count.Load(); n != 0 {
		t.Errorf("the second server was asked %d times", n)
	}
}

// afterHandshake breaks once the client sends application data.
type afterHandshake struct{ net.Conn }

func (c *afterHandshake) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:1])
	if err != nil || n == 0 {
		return n, err
	}
	const applicationData = 23
	if b[0] != applicationData {
		return c.rest(b)
	}
	// The first encrypted record of the client is the end of the handshake, the second is the bind.
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.Conn, head); err != nil {
		return 0, err
	}
	size := int(head[2])<<8 | int(head[3])
	if size > 60 {
		return 0, fmt.Errorf("cut")
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.Conn, body); err != nil {
		return 0, err
	}
	return copy(b[1:], append(head, body...)) + 1, nil
}

// rest returns the whole record that began with b[0].
func (c *afterHandshake) rest(b []byte) (int, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.Conn, head); err != nil {
		return 0, err
	}
	body := make([]byte, int(head[2])<<8|int(head[3]))
	if _, err := io.ReadFull(c.Conn, body); err != nil {
		return 0, err
	}
	return copy(b[1:], append(head, body...)) + 1, nil
}

func TestGivingUpEndsTheQuestion(t *testing.T) {
	d := realtest.Slapd(t)
	bad := newTap(t, silent)
	c := directoryConfig(d)
	c.Timeout = 30 * time.Second
	c.URLs = []string{"ldaps://" + bad.url}
	p := openDirectory(t, c, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := p.CheckPassword(ctx, "alice", "alice-pw-1"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("CheckPassword: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	// Somebody who leaves says nothing about the server.
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, _ = p.CheckPassword(ctx, "alice", "alice-pw-1")
	if n := bad.count.Load(); n != 2 {
		t.Errorf("the server was asked %d times, want twice", n)
	}
}

// Unknown names must not be told from wrong passwords by the clock: slapd spares itself the hashing for them.
func TestUnknownNamesTakeAsLong(t *testing.T) {
	d := realtest.Slapd(t)
	p := openDirectory(t, directoryConfig(d), nil)
	measure := func(login string) time.Duration {
		best := time.Hour
		for range 4 { // five failures would lock
			start := time.Now()
			if _, err := p.CheckPassword(context.Background(), login, "wrong"); !errors.Is(err, identity.ErrWrongPassword) {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	known, unknown := measure("bob"), measure("nobody")
	if unknown < known*7/10 {
		t.Errorf("a wrong password takes %s, an unknown name %s", known, unknown)
	}
}
