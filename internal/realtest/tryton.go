package realtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TrytonConfig is what a Tryton CRM of a test is made of.
type TrytonConfig struct {
	// Modules is a folder with Tryton modules; Activate names those to activate.
	Modules  string
	Activate []string
	// CustomScript is the web client's custom.js.
	CustomScript string
	// Settings are sections that are added to trytond.conf.
	Settings string
	// Logins are the users that exist, each with the name before the "@" as its name and the rights of a salesman.
	Logins []string
}

const trytonPackages = "tryton-server tryton-sao tryton-proteus tryton-modules-sale-opportunity python3-jwt"

// trytonParty is a customer that the CRM knows.
const trytonParty = "Prospect GmbH"

// Tryton starts the Tryton CRM of the distribution with its web client and returns its address. The database, which takes half a minute to make,
// is made once for each machine and copied.
func Tryton(t testing.TB, addr string, c TrytonConfig) (url string) {
	t.Helper()
	trytond := program(t, "trytond", "apt-get install "+trytonPackages)
	program(t, "trytond-admin", "apt-get install "+trytonPackages)
	const client = "/usr/share/tryton-sao/www"
	if _, err := os.Stat(client + "/index.html"); err != nil {
		missing(t, "Tryton's web client", "apt-get install "+trytonPackages)
	}
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("prepare Tryton: %v", err)
		}
	}
	www := filepath.Join(dir, "www")
	must(os.Mkdir(www, 0o755))
	entries, err := os.ReadDir(client)
	must(err)
	for _, e := range entries {
		must(os.Symlink(filepath.Join(client, e.Name()), filepath.Join(www, e.Name())))
	}
	script, err := os.ReadFile(c.CustomScript)
	must(err)
	must(os.WriteFile(filepath.Join(www, "custom.js"), script, 0o644))

	conf := filepath.Join(dir, "trytond.conf")
	must(os.WriteFile(conf, fmt.Appendf(nil, "[database]\nuri = sqlite://\npath = %s\n[web]\nlisten = %s\nroot = %s\nnum_proxies = 1\n%s", dir, addr, www, c.Settings), 0o600))
	must(copyFile(trytonDatabase(t), filepath.Join(dir, "crm.sqlite")))
	environment := []string{"PYTHONPATH=" + c.Modules, "PYTHONDONTWRITEBYTECODE=1"}
	for _, module := range c.Activate {
		trytonAdmin(t, conf, environment, "-u", module, "--activate-dependencies")
	}
	trytonPython(t, environment, trytonUsers, append([]string{conf}, c.Logins...)...)
	s := &server{
		name: "trytond", argv: []string{trytond, "-c", conf, "-d", "crm", "-v"}, env: environment,
		log: filepath.Join(dir, "log"), ready: listens(addr),
	}
	s.keep(t)
	return "http://" + addr
}

// trytonDatabase returns a database with the sales modules and a customer.
func trytonDatabase(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	ready := filepath.Join(cache, "crmgate-test", "tryton-6.0-1.sqlite")
	if _, err := os.Stat(ready); err == nil {
		return ready
	}
	t.Log("making Tryton's database; this is done once")
	dir := t.TempDir()
	conf := filepath.Join(dir, "trytond.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "[database]\nuri = sqlite://\npath = %s\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, "crm.sqlite")
	if err := os.WriteFile(made, nil, 0o600); err != nil { // trytond does not make the file itself
		t.Fatal(err)
	}
	trytonAdmin(t, conf, nil, "--all", "--email", "admin@example.test", "-l", "en")
	trytonAdmin(t, conf, nil, "-u", "sale_opportunity", "--activate-dependencies")
	trytonPython(t, nil, trytonSeed, conf)
	if err := os.MkdirAll(filepath.Dir(ready), 0o755); err != nil {
		t.Fatal(err)
	}
	// Moved into place in one step: two tests may be at it.
	if err := copyFile(made, ready+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(ready+".new", ready); err != nil {
		t.Fatal(err)
	}
	return ready
}

func trytonAdmin(t testing.TB, conf string, environment []string, args ...string) {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("administrator of a test"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("trytond-admin", append([]string{"-c", conf, "-d", "crm"}, args...)...)
	cmd.Env = append(os.Environ(), append(environment, "TRYTONPASSFILE="+password)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("trytond-admin %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// trytonSeed ends the first-run assistant, so that the web client opens on its menu, and adds the customer.
const trytonSeed = `
import sys
from proteus import config, Model
config.set_trytond('sqlite:///crm', user='admin', config_file=sys.argv[1])
for item in Model.get('ir.module.config_wizard.item').find([]):
    item.state = 'done'
    item.save()
Model.get('party.party')(name='` + trytonParty + `').save()
`

const trytonUsers = `
import sys
from proteus import config, Model
config.set_trytond('sqlite:///crm', user='admin', config_file=sys.argv[1])
User, Group = Model.get('res.user'), Model.get('res.group')
for login in sys.argv[2:]:
    user = User(name=login.split('@')[0].title() + ' of Sales', login=login, email=login)
    for group in Group.find([('name', 'in', ['Sales', 'Party Administration', 'Sale Opportunity'])]):
        user.groups.append(Group(group.id))
    user.save()
`

// trytonPython runs a script with the interpreter that the distribution's packages are for.
func trytonPython(t testing.TB, environment []string, script string, args ...string) {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", append([]string{"-W", "ignore", "-"}, args...)...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stdin = bytes.NewReader([]byte(script))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("prepare Tryton: %v\n%s", err, out)
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// TrytonLogin asks a Tryton server for a session as its web client does, and returns the status.
func TrytonLogin(t testing.TB, url, login, parameters string) int {
	t.Helper()
	body := fmt.Sprintf(`{"id":1,"method":"common.db.login","params":[%q,%s,"en"]}`, login, parameters)
	res, err := http.Post(url+"/crm/", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}
