package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The surface that others hold on to (testdata/contract.yaml) is known to the last key, and what this version does not do
// is refused in so many words.
func TestContractIsKnown(t *testing.T) {
	data, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fsys := memory(map[string]string{"/run/secrets/contoso": "a", "/run/secrets/ldap": "b"})
	_, r := load("contract.yaml", data, fsys, environment(map[string]string{"OIDC_SECRET": "c"}))
	var got []string
	for _, f := range r.Findings {
		kind := "fault"
		if f.Warning {
			kind = "warning"
		}
		got = append(got, kind+" "+f.Path)
		if strings.Contains(f.Message, "unknown key") {
			t.Error(f)
		}
	}
	want := []string{"warning mail.smtp.host"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%s", diff, strings.Join(lines(r), "\n"))
	}
}
