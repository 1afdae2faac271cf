package demo

import "testing"

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{
		"/tmp/crmgate-demo-1/crmgate.yaml": "/tmp/crmgate-demo-1/crmgate.yaml",
		"/srv/My demo/crmgate.yaml":        "'/srv/My demo/crmgate.yaml'",
		"/tmp/it's/$(x)":                   `'/tmp/it'\''s/$(x)'`,
	} {
		if got := shellWord(in); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", in, got, want)
		}
	}
}
