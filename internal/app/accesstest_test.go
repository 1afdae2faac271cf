package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRunAccessTests(t *testing.T) {
	const head = `server: {public_url: https://crm.example.com}
mail: {from: a@example.com, smtp: {host: m.example.com}}
upstreams:
  - {id: crm, urls: ["http://127.0.0.1:8069"]}
  - {id: reports, urls: ["http://127.0.0.1:8070"], paths: [/reports]}
providers:
  - {id: contoso, type: oidc, name: Contoso, domains: [contoso.com], issuer: "https://id.example.com", client_id: crm, client_secret: opensesame}
access:
  default: nobody
  rules:
    - {name: contoso, paths: [/c/**], allow: {providers: [contoso]}}
    - {name: local, paths: [/l/**], allow: {providers: [local]}}
    - {name: reports, upstreams: [reports], allow: signed_in}
  tests:
`
	tests := []struct{ name, line, want string }{
		{"provider of the domain", "{email: ann@contoso.com, request: GET /c/x, expect: allow}", ""},
		{"local for other domains", "{email: ann@example.com, request: GET /l/x, expect: allow}", ""},
		{"provider that was named", "{email: ann@contoso.com, provider: local, request: GET /l/x, expect: allow}", ""},
		{"upstream of the path", "{email: ann@example.com, request: GET /reports/1, expect: allow}", ""},
		{"other path", "{email: ann@example.com, request: GET /reportsx, expect: deny}", ""},
		{"nobody", "{request: GET /c/x, expect: deny}", ""},
		{"broken", "{email: ann@example.com, request: GET /c/x, expect: allow}", "access.tests[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, r := load("c.yaml", []byte(head+"    - "+tt.line+"\n"), memory(nil), environment(nil))
			if cfg == nil {
				t.Fatal(lines(r))
			}
			got := ""
			for _, p := range cfg.RunAccessTests() {
				got += p.Path
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
