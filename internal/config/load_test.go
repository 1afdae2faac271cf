package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// memory is a file system with these files.
func memory(content map[string]string) files {
	return files{
		dir: "/etc/crmgate",
		read: func(name string, most int64) ([]byte, error) {
			s, ok := content[name]
			switch {
			case !ok:
				return nil, fs.ErrNotExist
			case int64(len(s)) > most:
				return nil, errTooLong
			}
			return []byte(s), nil
		},
		stat: func(name string) (fs.FileInfo, error) { return nil, fs.ErrNotExist },
	}
}

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

// lines returns the findings as they are printed.
func lines(r *Report) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.String())
	}
	return out
}

// base is a file without a fault; tests put their lines below it.
const base = `server:
  public_url: https://crm.example.com
upstreams:
  - {id: crm, urls: ["http://127.0.0.1:8069"]}
mail: {from: "CRM <no-reply@example.com>", smtp: {host: mail.example.com}}
`

func TestLoadMinimal(t *testing.T) {
	cfg, r := load("c.yaml", []byte(base), memory(nil), environment(nil))
	if len(r.Findings) > 0 {
		t.Fatalf("findings:\n%s", strings.Join(lines(r), "\n"))
	}
	want := Default()
	want.Server.PublicURL = "https://crm.example.com"
	want.Server.DataDir = "/etc/crmgate/data"
	want.Mail.From, want.Mail.SMTP.Host = "CRM <no-reply@example.com>", "mail.example.com"
	got := *cfg
	if len(got.Upstreams) != 1 {
		t.Fatalf("upstreams = %+v", got.Upstreams)
	}
	up := got.Upstreams[0]
	if up.ID != "crm" || !up.PreserveHost || up.Timeouts.Connect != 5*time.Second || !slices.Equal(up.Paths, []string{"/"}) {
		t.Errorf("the upstream lost its defaults: %+v", up)
	}
	got.Upstreams = nil
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

func TestLoadValues(t *testing.T) {
	const file = `
server:
  public_url: "${SCHEME}://crm.example.com/"
  shutdown_grace: "1m30s"
  trusted_proxies: [10.0.0.0/8, "${NET}"]
upstreams:
  - id: crm
    urls: [http://127.0.0.1:8069]
    hosts: &hosts [crm.example.com]
    preserve_host: "false"
    timeouts: {response_header: 0}
  - id: old
    urls: [http://127.0.0.1:8070]
    hosts: *hosts
    paths: [/old]
access:
  default: nobody
  rules:
    - {name: assets, paths: [/assets/**], allow: anyone}
    - {name: admin, paths: [/admin/**], allow: {groups: [crm-admins], domains: [contoso.com]}}
providers:
  - id: contoso
    type: oidc
    name: "no"
    issuer: https://id.example.com
    client_id: 0123
    client_secret_file: secret/contoso
    domains: [Contoso.com]
local:
  invitation_lifetime: 1d12h
  lockout: {failures: "7"}
mail: {from: a@example.com, smtp: {host: mail.example.com, port: "2525", username: u, password: 'p$${x}$y${PW}'}}
branding:
  product: null
  organisation: "null"
  support:
`
	fsys := memory(map[string]string{"/etc/crmgate/secret/contoso": "s3cr${et\r\n"})
	cfg, r := load("c.yaml", []byte(file), fsys, environment(map[string]string{"SCHEME": "https", "NET": "192.168.1.0/24", "PW": "${NOT_AGAIN}"}))
	if cfg == nil {
		t.Fatalf("findings:\n%s", strings.Join(lines(r), "\n"))
	}
	type values struct {
		URL                       string
		Grace, Header             time.Duration
		Proxies                   []string
		Hosts                     []string
		Preserve                  bool
		Word                      string
		Groups                    []string
		Name, ClientID, Secret    string
		SecretFile                string
		SignUp                    bool
		Invitation                time.Duration
		Failures, Port            int
		Window                    time.Duration
		Password                  string
		Product, Organisation     string
		DefaultAllow, LinkByEmail string
	}
	got := values{
		cfg.Server.PublicURL, cfg.Server.ShutdownGrace, cfg.Upstreams[0].Timeouts.ResponseHeader, cfg.Server.TrustedProxies,
		cfg.Upstreams[1].Hosts, cfg.Upstreams[0].PreserveHost, cfg.Access.Rules[0].Allow.Word, cfg.Access.Rules[1].Allow.Groups,
		cfg.Providers[0].Name, cfg.Providers[0].ClientID, cfg.Providers[0].ClientSecret.Reveal(), cfg.Providers[0].ClientSecretFile,
		cfg.Providers[0].AllowSignUp, cfg.Local.InvitationLifetime, cfg.Local.Lockout.Failures, cfg.Mail.SMTP.Port,
		cfg.Local.Lockout.Window, cfg.Mail.SMTP.Password.Reveal(), cfg.Branding.Product, cfg.Branding.Organisation,
		cfg.Access.DefaultAllow, cfg.Providers[0].LinkByEmail,
	}
	want := values{
		"https://crm.example.com", 90 * time.Second, 0, []string{"10.0.0.0/8", "192.168.1.0/24"},
		[]string{"crm.example.com"}, false, "anyone", []string{"crm-admins"},
		"no", "0123", "s3cr${et", "/etc/crmgate/secret/contoso",
		true, 36 * time.Hour, 7, 2525,
		15 * time.Minute, "p${x}$y${NOT_AGAIN}", Default().Branding.Product, "null",
		"nobody", "never",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestLoadFaults(t *testing.T) {
	tests := []struct {
		name string
		file string
		want []string
	}{
		{"unknown key with a near one", base + "session: {stor: sql}\n",
			[]string{`c.yaml:6: session.stor: unknown key (Did you mean "store"?)`}},
		{"unknown section", base + "upstream: []\n",
			[]string{`c.yaml:6: upstream: unknown key (Did you mean "upstreams"?)`}},
		{"key of another section", base + "public_url: https://x.example.com\n",
			[]string{`c.yaml:6: public_url: unknown key (It belongs to server.public_url.)`}},
		{"near reserved key", base + "traicng: {}\n",
			[]string{`c.yaml:6: traicng: unknown key (Did you mean "tracing"?)`}},
		{"unknown key in a list item", base + "providers:\n  - id: a\n    tpye: oidc\n", nil},
		{"key set twice", base + "log: {level: info, level: debug}\n",
			[]string{`c.yaml:6: log.level: is set twice, first in line 6 (Keep one of the two.)`}},
		{"merge key", "x: &x {level: info}\n" + base + "log: {<<: *x}\n",
			[]string{`c.yaml:1: x: unknown key`, `c.yaml:7: log: has a merge key (<<), which is not supported (Repeat the keys, or use an alias for a whole value.)`}},
		{"mapping for a word", base + "log: {level: {a: b}}\n",
			[]string{`c.yaml:6: log.level: must be a single value, not a mapping`}},
		{"word for a list", base + "admins: {emails: ann@example.com}\n",
			[]string{`c.yaml:6: admins.emails: must be a list, not a single value (Put it into brackets: [ ... ].)`}},
		{"word for a mapping", base + "log: info\n",
			[]string{`c.yaml:6: log: must be a mapping with keys, not a single value`}},
		{"norway", base + "local: {enabled: yes}\n",
			[]string{`c.yaml:6: local.enabled: "yes" is not a boolean (Write true or false.)`}},
		{"octal", base + "session: {max_per_account: 010}\n",
			[]string{`c.yaml:6: session.max_per_account: "010" is not a whole number (Write decimal digits only, without a leading zero.)`}},
		{"huge number", base + "session: {max_per_account: 99999999999999999999}\n",
			[]string{`c.yaml:6: session.max_per_account: "99999999999999999999" is out of range`}},
		{"duration without unit", base + "session: {idle_timeout: 30}\n",
			[]string{`c.yaml:6: session.idle_timeout: "30" is a duration without a unit (Write a unit too, such as 30s, 15m, 8h or 3d.)`}},
		{"negative duration", base + "session: {idle_timeout: -3h}\n",
			[]string{`c.yaml:6: session.idle_timeout: "-3h" is a negative duration (Write 0 or more.)`}},
		{"empty word for a number", base + "session: {max_per_account: \"\"}\n",
			[]string{`c.yaml:6: session.max_per_account: an empty value is not a whole number (Write decimal digits only, without a leading zero.)`}},
		{"unset variable", base + "log:\n  level: ${NO_SUCH}\n",
			[]string{`c.yaml:7: log.level: the environment variable NO_SUCH is not set (Set it where the gateway is started, or write $${ for a plain ${.)`}},
		{"malformed variable", base + "log: {level: \"${A:-b}\"}\n",
			[]string{`c.yaml:6: log.level: has a ${ that does not begin a variable (Write ${NAME} for an environment variable and $${ for a plain ${.)`}},
		{"variable in a number", base + "session: {max_per_account: \"${WORD}\"}\n",
			[]string{`c.yaml:6: session.max_per_account: the value of "${WORD}" is not a whole number (Write decimal digits only, without a leading zero.)`}},
		{"tag", base + "log: {level: !x info}\n",
			[]string{`c.yaml:6: log.level: has a YAML tag, which is not supported (Put a value that begins with ! into quotes.)`}},
		{"empty list item", base + "admins:\n  groups:\n    -\n",
			[]string{`c.yaml:8: admins.groups[0]: is empty (Remove the item.)`}},
		{"secret twice", base + "redis:\n  password: a\n  password_file: pw\n  addresses: [\"127.0.0.1:6379\"]\n",
			[]string{`c.yaml:8: redis.password_file: is set beside password (Keep one of the two.)`}},
		{"secret file missing", base + "redis: {password_file: nowhere, addresses: [\"127.0.0.1:6379\"]}\n",
			[]string{`c.yaml:6: redis.password_file: cannot be read: there is no such file (A relative path starts at the folder of the configuration file.)`}},
		{"secret file empty", base + "redis: {password_file: empty, addresses: [\"127.0.0.1:6379\"]}\n",
			[]string{`c.yaml:6: redis.password_file: names an empty file`}},
		{"other file missing", base + "branding: {logo_file: logo.svg}\n",
			[]string{`c.yaml:6: branding.logo_file: cannot be read: there is no such file (A relative path starts at the folder of the configuration file.)`}},
		{"variable without quotes in a mapping", "server: {public_url: https://crm.example.com}\nproviders:\n  - {id: a, client_secret: ${S}, client_id: x}\n",
			[]string{`c.yaml:2: not valid YAML: did not find expected ',' or '}' (Inside {…} and […] put ${NAME} into quotes.)`}},
		{"not YAML", "server: [\n", []string{`c.yaml:1: not valid YAML: did not find expected node content (Look at indentation, colons and quotes near this line.)`}},
		{"two documents", base + "---\nlog: {}\n", []string{`c.yaml:6: a second document begins here (Remove the line ---.)`}},
		{"nothing at all", "", []string{
			`c.yaml:1: server.public_url: is missing (Write the address people type, such as https://crm.example.com.)`,
			`c.yaml:1: upstreams: is missing (Name at least one: {id: crm, urls: [http://127.0.0.1:8069]}.)`,
			`c.yaml:1: warning: mail.smtp.host: is not set: people with a local account cannot reset a forgotten password themselves (Set it, or set local.reset.enabled to false. crmgate user reset --print-link works without mail.)`}},
		{"several at once, by line", strings.Replace(base, "https://crm", "ftp://crm", 1) + "nope: 1\nlog: {level: loud}\n", []string{
			`c.yaml:2: server.public_url: must begin with https:// (Write scheme and host, such as https://crm.example.com.)`,
			`c.yaml:6: nope: unknown key`,
			`c.yaml:7: log.level: "loud" is not a level (Write one of debug, info, warn, error.)`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, r := load("c.yaml", []byte(tt.file), memory(map[string]string{"/etc/crmgate/empty": "\n"}), environment(map[string]string{"WORD": "verysecret"}))
			if r.OK() || cfg != nil {
				t.Fatalf("loaded: %v", lines(r))
			}
			if tt.want == nil { // other packages' Validate have their say too
				if want := `c.yaml:8: providers[0].tpye: unknown key (Did you mean "type"?)`; !slices.Contains(lines(r), want) {
					t.Errorf("no finding %q in:\n%s", want, strings.Join(lines(r), "\n"))
				}
				return
			}
			if diff := cmp.Diff(tt.want, lines(r)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadFromDisk(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "crmgate.yaml")
	if err := os.WriteFile(file, []byte(base+"redis: {password_file: pw, addresses: [\"127.0.0.1:6379\"]}\nlocal: {password: {blocklist_file: "+dir+"}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte("hunter2hunter2\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, r := Load(file, os.LookupEnv)
	if want := []string{file + ":7: local.password.blocklist_file: is not a regular file (A relative path starts at the folder of the configuration file.)"}; !cmp.Equal(want, lines(r)) {
		t.Errorf("findings %q, want %q", lines(r), want)
	}
	for name, want := range map[string]string{filepath.Join(dir, "none.yaml"): "there is no such file", dir: "it is not a regular file"} {
		if cfg, r := Load(name, os.LookupEnv); cfg != nil || r.OK() || !strings.Contains(r.Findings[0].Message, want) {
			t.Errorf("Load(%s) = %v, want a finding that says %q", name, lines(r), want)
		}
	}
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, []byte(strings.Repeat("#", maxFile+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, r := Load(big, os.LookupEnv); r.OK() {
		t.Error("a file over the limit was loaded")
	}
}

func TestLoadTrimsOneNewline(t *testing.T) {
	fsys := memory(map[string]string{"/etc/crmgate/pw": "two\n\n"})
	cfg, r := load("c.yaml", []byte(base+"redis: {password_file: pw, addresses: [\"127.0.0.1:6379\"]}\n"), fsys, environment(nil))
	if cfg == nil {
		t.Fatal(lines(r))
	}
	if got := cfg.Redis.Password.Reveal(); got != "two\n" {
		t.Errorf("password %q, want one newline left", got)
	}
}

func TestLoadAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("access:\n  rules:\n    - &r {name: a, paths: &p [")
	b.WriteString(strings.Repeat("/a, ", 4000) + "/a]}\n")
	b.WriteString(strings.Repeat("    - {name: b, paths: *p}\n", 4000))
	start := time.Now()
	_, r := load("c.yaml", []byte(b.String()), memory(nil), environment(nil))
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Message == "the file has too many values" }) {
		t.Errorf("the bomb was not refused: %v", lines(r)[:min(3, len(r.Findings))])
	}
	_, r = load("c.yaml", []byte("access:\n  rules: &r [*r]\n"), memory(nil), environment(nil))
	if r.OK() {
		t.Error("a list that holds itself was loaded")
	}
}

func TestLoadWarnsOfAnOpenDataDir(t *testing.T) {
	for name, tt := range map[string]struct {
		mode fs.FileMode
		want int
	}{"our own": {0o700, 0}, "to read": {0o755, 0}, "to write": {0o777, 1}, "the group's": {0o770, 1}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(dir, tt.mode); err != nil {
				t.Fatal(err)
			}
			fsys := osFiles(dir)
			cfg, r := load("c.yaml", []byte(strings.Replace(base, "server:", "server:\n  data_dir: "+dir, 1)), fsys, environment(nil))
			if cfg == nil || len(r.Findings) != tt.want || tt.want == 1 && (r.Findings[0].Line != 2 || !r.Findings[0].Warning) {
				t.Errorf("findings %q, want %d warnings in line 2", lines(r), tt.want)
			}
		})
	}
}
