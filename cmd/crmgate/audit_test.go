package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAuditNamesPeople walks the break-glass road and reads its trail.
func TestAuditNamesPeople(t *testing.T) {
	name := filepath.Join(t.TempDir(), "crmgate.yaml")
	write(t, name, "server: {public_url: \"https://crm.example.com\"}\nupstreams: [{id: crm, urls: [\"http://127.0.0.1:8069\"]}]\n")
	ok := func(args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append(args, "-c", name), &stdout, &stderr); code != 0 {
			t.Fatalf("%v: exit code %d, %s", args, code, &stderr)
		}
		return stdout.String() + stderr.String()
	}
	if link := ok("user", "invite", "--email", "pat@partner.example", "--print-link"); !strings.HasPrefix(link, "https://crm.example.com/_gate/invite/") {
		t.Errorf("invitation: %s", link)
	}
	ok("user", "invite", "--email", "sue@partner.example", "--username", "sue")
	ok("user", "disable", "--email", "sue")
	if all := ok("audit", "list"); strings.Count(all, "pat@partner.example") != 2 || strings.Count(all, "sue@partner.example") != 3 || strings.Count(all, " cli ") != 5 {
		t.Errorf("audit list:\n%s", all)
	}
	if hers := ok("audit", "list", "--email", "sue", "--since", "1d", "--limit", "2"); strings.Contains(hers, "pat@") ||
		strings.Index(hers, "account_disabled") > strings.Index(hers, "invited") || strings.Count(hers, "\n") != 3 {
		t.Errorf("audit list --email:\n%s", hers)
	}
	if none := ok("audit", "list", "--reference", "nope"); none != "No security event fits.\n" {
		t.Errorf("audit list --reference: %q", none)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
