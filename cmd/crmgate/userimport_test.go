package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUserImport(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg := file("crmgate.yaml", fmt.Sprintf("server: {public_url: http://127.0.0.1:8080, data_dir: %q}\nupstreams: [{id: crm, urls: [http://127.0.0.1:1]}]\n", dir))
	const sample = "../../examples/migration/people.csv"
	htpasswd := file("htpasswd", "dee:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
	bad := file("bad.csv", "email,password_hash\nann,\nbob@example.test,letmein\n")
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"nothing said", nil, 2, "--in"},
		{"no such file", []string{"--in", sample + ".gone"}, 1, "no such file"},
		{"unknown format", []string{"--in", sample, "--format", "xlsx"}, 2, "write csv or htpasswd"},
		{"the example, dry", []string{"--in", sample, "--dry-run"}, 0, "Nothing was written. Without --dry-run: 2 created with a password, 1 created without"},
		{"the example", []string{"--in", sample}, 0, "\n2 created with a password, 1 created without, 0 invited before and given a password, 0 already there.\nWho has no password"},
		{"the example again", []string{"--in", sample}, 0, "people.csv:2: ann@contoso.com is already there"},
		{"as JSON", []string{"--in", sample, "--json"}, 0, `"result": "already_there"`},
		{"htpasswd without a domain", []string{"--in", htpasswd}, 1, "htpasswd:1: The user is no mail address"},
		{"htpasswd", []string{"--in", htpasswd, "--domain", "example.test"}, 0, "1 created with a password"},
		{"faults", []string{"--in", bad}, 1, "bad.csv:3: The password hash of bob@example.test is of a sort"},
		{"faults as JSON", []string{"--in", bad, "--json"}, 1, `"line": 3`},
		{"a CSV file that is called htpasswd", []string{"--in", sample, "--format", "htpasswd"}, 1, "people.csv:1: This is not user:hash."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			code := run(t.Context(), append([]string{"user", "import", "-c", cfg}, tt.args...), &out, &out)
			if said := "\n" + out.String(); code != tt.code || !strings.Contains(said, tt.says) {
				t.Errorf("exit %d, want %d: %s", code, tt.code, said)
			}
			for _, secret := range []string{"letmein", "$2b$", "$argon2", "W6ph5"} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("shows a secret: %s", out.String())
				}
			}
		})
	}
}
