package realtest

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	//go:embed slapd/config.ldif
	slapdConfig string
	//go:embed slapd/tree.ldif
	slapdTree string
	//go:embed slapd/people.ldif
	slapdPeople string
)

const (
	slapdBase          = "dc=example,dc=test"
	slapdAdminPassword = "admin-pw-1"
	slapdBindPassword  = "crmgate-pw-1"
)

// Directory is a running OpenLDAP server. Passwords are only taken under TLS, anonymous reading is refused.
//
// Seeded people are uid alice (groups crm-users, crm-admins), bob (crm-users) and one whose uid is OddUID; in special states
// are expired, grace (expired, two sign-ins left), warned (expires within a day), mustchange (set by an administrator) and
// locked. Everybody's mail is <uid>@example.test, OddUID's is odd@example.test. Five wrong passwords lock for five seconds.
type Directory struct {
	// URL is ldap:// with StartTLS, TLSURL is ldaps://.
	URL, TLSURL string
	// CAFile is the authority that the client must trust.
	CAFile string
	// BaseDN is the suffix; people and groups stand below PeopleBase and GroupBase.
	BaseDN, PeopleBase, GroupBase string
	// BindDN and BindPassword are a service account that may read everything but passwords; ChangerDN, with the same password, may
	// set passwords, too.
	BindDN, BindPassword, ChangerDN string

	server *server
	admin  *exec.Cmd // ldapmodify as the administrator, copied for each run
}

// OddUID is a person whose uid needs escaping in a DN and in a filter.
const OddUID = `odd, "name" (x)*`

// Slapd starts an OpenLDAP server with its seed and stops it when the test ends.
func Slapd(t testing.TB) *Directory {
	t.Helper()
	const remedy = "apt-get install slapd ldap-utils"
	slapd, slapadd, ldapmodify := program(t, "slapd", remedy), program(t, "slapadd", remedy), program(t, "ldapmodify", remedy)
	cert, dir := NewCertificate(t), t.TempDir()
	conf, data := filepath.Join(dir, "slapd.d"), filepath.Join(dir, "data")
	for _, d := range []string{conf, data} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatalf("start slapd: %v", err)
		}
	}
	fill := strings.NewReplacer("{{BASE}}", slapdBase, "{{DATA}}", data, "{{CA}}", cert.CAFile, "{{CERT}}", cert.CertFile,
		"{{KEY}}", cert.KeyFile, "{{ADMIN_PASSWORD}}", slapdAdminPassword, "{{BIND_PASSWORD}}", slapdBindPassword,
		"{{AN_HOUR_AGO}}", time.Now().UTC().Add(-time.Hour).Format("20060102150405Z"))
	run(t, exec.Command(slapadd, "-n", "0", "-F", conf), fill.Replace(slapdConfig))
	run(t, exec.Command(slapadd, "-n", "1", "-F", conf), fill.Replace(slapdTree))

	plain, secure := Addr(t), Addr(t)
	d := &Directory{
		URL: "ldap://" + plain, TLSURL: "ldaps://" + secure, CAFile: cert.CAFile,
		BaseDN: slapdBase, PeopleBase: "ou=people," + slapdBase, GroupBase: "ou=groups," + slapdBase,
		BindDN: "cn=crmgate,ou=services," + slapdBase, BindPassword: slapdBindPassword,
		ChangerDN: "cn=changer,ou=services," + slapdBase,
	}
	d.server = &server{
		name:  "slapd",
		argv:  []string{slapd, "-d", "0", "-F", conf, "-h", d.URL + " " + d.TLSURL}, // -d: stay in the foreground
		log:   filepath.Join(dir, "log"),
		ready: listens(secure),
	}
	d.admin = exec.Command(ldapmodify, "-x", "-H", d.TLSURL, "-D", "cn=admin,"+slapdBase, "-w", slapdAdminPassword)
	d.admin.Env = append(os.Environ(), "LDAPTLS_CACERT="+cert.CAFile)
	d.server.keep(t)
	d.Change(t, addEntries(fill.Replace(slapdPeople)))
	return d
}

// Change applies LDIF change records as the directory's administrator: "dn: …\nchangetype: modify\nreplace: mail\n…".
func (d *Directory) Change(t testing.TB, ldif string) {
	t.Helper()
	run(t, &exec.Cmd{Path: d.admin.Path, Args: d.admin.Args, Env: d.admin.Env}, ldif)
}

// PersonDN returns the DN of a seeded person.
func (d *Directory) PersonDN(uid string) string {
	if uid == OddUID {
		uid = `odd\2C \22name\22 (x)*`
	}
	return "uid=" + uid + "," + d.PeopleBase
}

// Password returns the password of a seeded person.
func (d *Directory) Password(uid string) string {
	if uid == OddUID {
		return "odd-pw-11"
	}
	return uid + "-pw-1"
}

// Stop ends the server; its addresses then refuse connections. Restart brings it back with its data.
func (d *Directory) Stop(t testing.TB) { t.Helper(); d.server.stop(t) }

// Restart starts the server again at the same addresses, stopping it first if it runs.
func (d *Directory) Restart(t testing.TB) {
	t.Helper()
	d.server.stop(t)
	d.server.start(t)
}

// addEntries turns plain entries into change records.
func addEntries(ldif string) string {
	lines := strings.Split(ldif, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "dn: ") {
			lines[i] += "\nchangetype: add"
		}
	}
	return strings.Join(lines, "\n")
}
