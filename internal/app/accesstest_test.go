package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/app"
	"crmgate/internal/config"
)

// loaded is a configuration that has no fault.
func loaded(t *testing.T, yaml string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crmgate.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, report := config.Load(path, os.LookupEnv)
	if !report.OK() {
		t.Fatalf("configuration: %v", report.Findings)
	}
	return cfg
}

// readings is a configuration whose upstreams read paths in their own ways.
const readings = `server: {public_url: https://crm.example.com}
mail: {from: a@example.com, smtp: {host: m.example.com}}
upstreams:
  - {id: crm, urls: ["http://127.0.0.1:8069"]}
  - {id: reports, urls: ["http://127.0.0.1:8070"], paths: [/reports]}
  - {id: iis, urls: ["http://127.0.0.1:8071"], paths: [/iis], ignore_case: true}
  - {id: raw, urls: ["http://127.0.0.1:8072"], paths: [/raw], paths_as_is: true}
  - {id: elsewhere, urls: ["http://127.0.0.1:8073"], hosts: [other.example.com]}
providers:
  - {id: contoso, type: oidc, name: Contoso, domains: [contoso.com], issuer: "https://id.example.com", client_id: crm, client_secret: opensesame}
factors: {fresh: 2m}
access:
  default: nobody
  rules:
    - {name: contoso, paths: [/c/**], allow: {providers: [contoso]}}
    - {name: local, paths: [/l/**], allow: {providers: [local]}}
    - {name: reports, upstreams: [reports], allow: signed_in}
    - {name: iis-admin, paths: [/iis/Admin/**], allow: {groups: [admins]}}
    - {name: iis, paths: [/iis/**], allow: signed_in}
    - {name: raw-admin, paths: [/raw/admin/**], allow: {groups: [admins]}}
    - {name: raw, paths: [/raw/**], allow: signed_in}
    - {name: elsewhere, upstreams: [elsewhere], allow: signed_in}
`

func TestRunAccessTests(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"provider of the domain", "{email: ann@contoso.com, upstream: crm, request: GET /c/x, expect: allow}", ""},
		{"local for other domains", "{email: ann@example.com, upstream: crm, request: GET /l/x, expect: allow}", ""},
		{"provider that was named", "{email: ann@contoso.com, upstream: crm, provider: local, request: GET /l/x, expect: allow}", ""},
		{"upstream of the path", "{email: ann@example.com, request: GET /reports/1, expect: allow}", ""},
		{"other path", "{email: ann@example.com, upstream: crm, request: GET /reportsx, expect: deny}", ""},
		{"nobody", "{upstream: crm, request: GET /c/x, expect: deny}", ""},
		{"broken", "{email: ann@example.com, upstream: crm, request: GET /c/x, expect: allow}", "access.tests[0]"},
		{"an upstream on a host of its own", "{email: ann@example.com, upstream: elsewhere, request: GET /c2, expect: allow}", ""},
		{"an upstream that would not get the path", "{email: ann@example.com, upstream: reports, request: GET /elsewhere, expect: allow}", ""},
		{"case matters", "{email: ann@example.com, upstream: crm, request: GET /L/x, expect: deny}", ""},
		{"case is ignored", "{email: ann@example.com, request: GET /iis/aDMIN/x, expect: deny}", ""},
		{"case is ignored, by its group", "{email: ann@example.com, groups: [admins], request: GET /iis/aDMIN/x, expect: allow}", ""},
		{"another path where case is ignored", "{email: ann@example.com, request: GET /iis/users, expect: allow}", ""},
		{"a name that Windows reads shorter", "{email: ann@example.com, request: GET /iis/admin./x, expect: deny}", ""},
		{"the strictest of several readings", "{email: ann@example.com, request: GET /raw/admin;x/y, expect: deny}", ""},
		{"several readings, one rule", "{email: ann@example.com, request: GET /raw/deals;x/y, expect: allow}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := loaded(t, readings+"  tests:\n    - "+tt.line+"\n")
			got := ""
			for _, p := range app.RunAccessTests(cfg) {
				got += p.Path
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExplainReadsPathsAsTheUpstreamDoes(t *testing.T) {
	cfg := loaded(t, readings)
	type answer struct{ Upstream, Outcome, Rule, Decides string }
	for _, tt := range []struct {
		name string
		ask  app.Question
		want answer
	}{
		{"case is ignored", app.Question{Path: "/iis/aDMIN/x"}, answer{"iis", "refused (403)", "iis-admin", "iis-admin"}},
		{"case is ignored, by its group", app.Question{Path: "/iis/ADMIN/x", Groups: []string{"admins"}}, answer{"iis", "allowed", "iis-admin", "iis-admin"}},
		{"an encoded slash, as it is", app.Question{Path: "/raw/deals%2f7"}, answer{"raw", "allowed", "raw", "raw"}},
		{"the strictest reading", app.Question{Path: "/raw/x%2f..%2fadmin/y"}, answer{"raw", "refused (403)", "raw-admin", "raw-admin"}},
		{"an encoded slash elsewhere", app.Question{Path: "/c%2fd"}, answer{"", "refused (400)", "", ""}},
		{"another host", app.Question{Host: "other.example.com", Path: "/x"}, answer{"elsewhere", "allowed", "elsewhere", "elsewhere"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.ask.Email, tt.ask.Method = "pat@partner.test", "GET"
			a, err := app.Explain(cfg, tt.ask)
			if err != nil {
				t.Fatal(err)
			}
			got := answer{a.Upstream, a.Outcome, a.Rule, ""}
			for _, s := range a.Rules {
				if s.Decides {
					got.Decides += s.Rule
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
