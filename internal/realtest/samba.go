package realtest

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

var (
	//go:embed samba/smb.conf
	sambaConfig string
	//go:embed samba/seed.ldif
	sambaSeed string
	//go:embed samba/past.ldif
	sambaPast string
)

const (
	sambaBase = "DC=corp,DC=test"
	// sambaAdmin is the domain's administrator.
	sambaAdmin = "Administrator"
	// bypassPasswordHash is the control by which Samba's own tools write what belongs to passwords as it stands.
	bypassPasswordHash = "local_oid:1.3.6.1.4.1.7165.4.3.12:0"
	// domainLifetime is how long a prepared domain is used again. Its passwords live for a year.
	domainLifetime = 30 * 24 * time.Hour
)

// Domain is a running Active Directory domain controller, made by Samba: domain CORP, realm corp.test. It takes no password in the
// clear.
//
// Seeded people are alice (group crm-admins, through which crm-users and all-staff), bob (crm-users; has no userPrincipalName) and
// odd (a DN that needs escaping); everybody's primary group is Domain Users, which is in the group everybody. In special states are
// disabled, ended (the account has expired), hours (may never sign in at this time), mustchange, expired (the password) and
// locked, who is like others until somebody guesses. Three wrong passwords lock for a minute. A new password has eight characters of
// three kinds and is none of the last three.
type Domain struct {
	// URL is ldap:// with StartTLS, TLSURL is ldaps://.
	URL, TLSURL string
	// CAFile is the authority that the client must trust.
	CAFile string
	// BaseDN is the domain's; people and groups stand below PeopleBase and GroupBase.
	BaseDN, PeopleBase, GroupBase string
	// BindDN and BindPassword are a service account with the rights of any other person.
	BindDN, BindPassword string

	server *server
	ca     string
}

// SambaAD starts an Active Directory domain controller with its seed and stops it when the test ends. Making a domain takes some
// seconds; it is made once, kept in the user's cache directory, and every start gets a copy.
func SambaAD(t testing.TB) *Domain {
	t.Helper()
	const remedy = "apt-get install samba-ad-dc samba-ad-provision ldb-tools ldap-utils"
	samba, tool := program(t, "samba", remedy), program(t, "samba-tool", remedy)
	ldbmodify := program(t, "ldbmodify", remedy)
	program(t, "ldapmodify", remedy)
	if os.Getuid() != 0 {
		missing(t, "a right to the ports 389 and 636", "Samba knows no others; run the tests as root")
	}
	address := sambaAddress(t)
	dir, cert := t.TempDir(), newCertificate(t, net.ParseIP(address))
	// -a keeps modes, --sparse the holes that make up most of a database.
	run(t, exec.Command("cp", "-a", "--sparse=always", preparedDomain(t, samba, tool, ldbmodify)+"/.", dir), "")
	config := filepath.Join(dir, "etc", "smb.conf")
	fill := strings.NewReplacer("{{ADDRESS}}", address, "{{DIR}}", dir, "{{CA}}", cert.CAFile, "{{CERT}}", cert.CertFile, "{{KEY}}", cert.KeyFile)
	if err := os.WriteFile(config, []byte(fill.Replace(sambaConfig)), 0o600); err != nil {
		t.Fatalf("start samba: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "run", "ncalrpc"), 0o755); err != nil {
		t.Fatalf("start samba: %v", err)
	}
	d := &Domain{
		URL: "ldap://" + address, TLSURL: "ldaps://" + address, CAFile: cert.CAFile,
		BaseDN: sambaBase, PeopleBase: "OU=People," + sambaBase, GroupBase: "OU=Groups," + sambaBase,
		BindDN: "crmgate@corp.test", ca: cert.CAFile,
	}
	d.BindPassword = d.Password("crmgate")
	d.server = &server{
		name: "samba",
		// One process, in the foreground; a group of its own would escape the leash.
		argv:  []string{samba, "-i", "-M", "single", "--no-process-group", "--debug-stdout", "-s", config},
		log:   filepath.Join(dir, "log"),
		ready: listens(net.JoinHostPort(address, "636")),
	}
	d.server.keep(t)
	return d
}

// sambaAddress returns a loopback address whose LDAP ports are free: Samba's ports cannot be chosen, so each server gets an address.
func sambaAddress(t testing.TB) string {
	t.Helper()
	var last error
	for range 20 {
		address := fmt.Sprintf("127.%d.%d.%d", 64+rand.IntN(64), rand.IntN(256), 1+rand.IntN(254))
		l, err := net.Listen("tcp", address+":389")
		if err == nil {
			l.Close()
			return address
		}
		last = err
	}
	missing(t, "a free port 389", fmt.Sprintf("stop the directory that listens there on all addresses (%v)", last))
	return ""
}

// preparedDomain returns a directory with a domain that no server has run on. It is kept between runs, under a name that changes
// with everything that went into it.
func preparedDomain(t testing.TB, samba, tool, ldbmodify string) string {
	t.Helper()
	version := run(t, exec.Command(samba, "--version"), "")
	provision := []string{"domain", "provision", "--quiet", "--realm=CORP.TEST", "--domain=CORP", "--server-role=dc", "--dns-backend=NONE",
		"--host-name=dc1", "--host-ip=127.0.0.1", "--adminpass=" + sambaPassword(sambaAdmin), "--option=interfaces=lo", "--option=bind interfaces only=yes"}
	sum := sha256.Sum256([]byte(strings.Join(append(provision, version, sambaSeed, sambaPast), "\n")))
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "crmgate-tests")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatalf("prepare domain: %v", err)
	}
	ready := filepath.Join(cache, "samba-"+hex.EncodeToString(sum[:8]))
	if s, err := os.Stat(ready); err == nil && time.Since(s.ModTime()) < domainLifetime {
		return ready
	}
	draft, err := os.MkdirTemp(cache, "draft-")
	if err != nil {
		t.Fatalf("prepare domain: %v", err)
	}
	defer os.RemoveAll(draft)
	run(t, exec.Command(tool, append(provision, "--targetdir="+draft, "--option=posix:eadb="+filepath.Join(draft, "eadb.tdb"))...), "")
	sam := filepath.Join(draft, "private", "sam.ldb")
	run(t, exec.Command(ldbmodify, "-H", sam), fillSamba(sambaSeed))
	run(t, exec.Command(ldbmodify, "-H", sam, "--controls="+bypassPasswordHash), fillSamba(sambaPast))
	if err := os.RemoveAll(filepath.Join(draft, "private", "tls")); err != nil {
		t.Fatalf("prepare domain: %v", err)
	}
	// A rename is whole or nothing, and of two test binaries that prepare at once the second finds the first's.
	if s, err := os.Stat(ready); err == nil && time.Since(s.ModTime()) >= domainLifetime {
		_ = os.RemoveAll(ready) // the rename says what is wrong, if anything is
	}
	if err := os.Rename(draft, ready); err != nil {
		if _, err := os.Stat(filepath.Join(ready, "private", "sam.ldb")); err != nil {
			t.Fatalf("prepare domain: %v", err)
		}
	}
	return ready
}

// placeholder finds {{PASSWORD:name}}.
var placeholder = regexp.MustCompile(`\{\{PASSWORD:(\w+)\}\}`)

func fillSamba(ldif string) string {
	ldif = strings.ReplaceAll(ldif, "{{BASE}}", sambaBase)
	return placeholder.ReplaceAllStringFunc(ldif, func(m string) string {
		return UnicodePwd(sambaPassword(placeholder.FindStringSubmatch(m)[1]))
	})
}

// UnicodePwd writes a password as the value of "unicodePwd::" in LDIF: quoted, UTF-16, base64.
func UnicodePwd(password string) string {
	var raw []byte
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		raw = append(raw, byte(u), byte(u>>8))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func sambaPassword(name string) string { return strings.ToUpper(name[:1]) + name[1:] + "-pw-1" }

// Password returns the password of a seeded person, by the short name.
func (d *Domain) Password(name string) string { return sambaPassword(name) }

// Change applies LDIF change records as the domain's administrator.
func (d *Domain) Change(t testing.TB, ldif string) {
	t.Helper()
	cmd := exec.Command(program(t, "ldapmodify", "apt-get install ldap-utils"), "-x", "-H", d.TLSURL, "-D", sambaAdmin+"@corp.test", "-w", d.Password(sambaAdmin))
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+d.ca)
	run(t, cmd, ldif)
}

// Stop ends the server; its addresses then refuse connections. Restart brings it back with its data.
func (d *Domain) Stop(t testing.TB) { t.Helper(); d.server.stop(t) }

// Restart starts the server again at the same address, stopping it first if it runs.
func (d *Domain) Restart(t testing.TB) {
	t.Helper()
	d.server.stop(t)
	d.server.start(t)
}
