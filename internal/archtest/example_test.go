package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"crmgate/internal/app"
	"crmgate/internal/config"
	"crmgate/internal/realtest"
)

var placeholder = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// Every example loads without a finding once its placeholders are set, its access tests hold, and it has a README.
func TestExamplesLoad(t *testing.T) {
	examples, err := filepath.Glob(root + "/examples/*/crmgate.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(examples) == 0 {
		t.Fatal("there is no example: examples/ should hold one folder for each scenario")
	}
	some := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(some, []byte("something of some length\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pair := realtest.NewCertificate(t)
	for _, file := range examples {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			env := map[string]string{}
			for _, m := range placeholder.FindAllStringSubmatch(string(text), -1) {
				switch name := m[1]; {
				case name == "TLS_CERT_FILE":
					env[name] = pair.CertFile
				case name == "TLS_KEY_FILE":
					env[name] = pair.KeyFile
				case strings.HasSuffix(name, "_FILE"):
					env[name] = some
				case strings.HasSuffix(name, "_URL"):
					env[name] = "postgres://crmgate:something@db.example.com/crmgate"
				default:
					env[name] = "something of some length"
				}
			}
			cfg, report := config.Load(file, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
			for _, f := range report.Findings {
				t.Error(f)
			}
			if cfg != nil {
				for _, p := range app.RunAccessTests(cfg) {
					t.Errorf("%s: %s (%s)", p.Path, p.Message, p.Hint)
				}
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), "README.md")); err != nil {
				t.Errorf("the example has no README.md that says whom it is for")
			}
		})
	}
}
