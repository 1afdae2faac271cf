package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/app"
	"crmgate/internal/config"
)

func TestExplain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crmgate.yaml")
	yaml := `
server: {public_url: "https://crm.test", data_dir: data}
upstreams: [{id: crm, urls: ["http://127.0.0.1:1"], identity: {headers: [{name: Remote-User, value: email}, {name: Remote-Groups, value: groups}]}}]
access: {rules: [{name: administration, paths: [/admin/**], allow: {groups: [crm-admins]}}]}
providers: [{id: contoso, type: oidc, name: Contoso, domains: [contoso.test], issuer: "https://id.contoso.test", client_id: crm, client_secret: s}]
local: {reset: {enabled: false}}
`
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, report := config.Load(path, os.LookupEnv)
	if !report.OK() {
		t.Fatalf("configuration: %v", report.Findings)
	}
	type answer struct{ SignIn, Outcome, Rule, User string }
	for _, tt := range []struct {
		name string
		ask  app.Question
		want answer
	}{
		{
			"allowed by a group", app.Question{Email: "ann@contoso.test", Groups: []string{"crm-admins"}, Method: "GET", Path: "/admin/users?x=1"},
			answer{"at Contoso (provider contoso), because the address belongs to it", "allowed", "administration", "ann@contoso.test"},
		},
		{
			"refused without it", app.Question{Email: "ann@contoso.test", Method: "GET", Path: "/admin/users"},
			answer{"at Contoso (provider contoso), because the address belongs to it", "refused (403)", "administration", ""},
		},
		{
			"a local account, and the default", app.Question{Email: "pat@partner.test", Method: "POST", Path: "/deals"},
			answer{"with a local account, because no provider has the address", "allowed", "default", "pat@partner.test"},
		},
		{
			"the gateway's own page", app.Question{Email: "ann@contoso.test", Method: "GET", Path: "/_gate/sign-in"},
			answer{"at Contoso (provider contoso), because the address belongs to it", "answered by crmgate", "", ""},
		},
		{
			"a path that nobody passes on", app.Question{Email: "ann@contoso.test", Method: "GET", Path: "/x/%2e%2e/admin"},
			answer{"at Contoso (provider contoso), because the address belongs to it", "refused (400)", "", ""},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := app.Explain(cfg, tt.ask)
			if err != nil {
				t.Fatal(err)
			}
			got := answer{a.SignIn, a.Outcome, a.Rule, ""}
			for _, h := range a.Headers {
				if h.Name == "Remote-User" {
					got.User = h.Value
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("explanation (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := app.Explain(cfg, app.Question{Email: "a@b.test", Provider: "nobody", Method: "GET", Path: "/"}); err == nil {
		t.Error("an unknown provider was explained")
	}
}

func TestExplainNamesEveryHeader(t *testing.T) {
	cfg := loaded(t, `server: {public_url: https://crm.test}
local: {reset: {enabled: false}}
upstreams:
  - {id: crm, urls: ["http://127.0.0.1:1"], identity: {headers: [{name: Remote-User, value: email}], assertion: {audience: sales}, secret_header: {name: X-Gate, value: 0123456789abcdef}}}
  - {id: plain, urls: ["http://127.0.0.1:1"], paths: [/plain], identity: {headers: [{name: Remote-User, value: email}], assertion: {enabled: false}}}
`)
	for path, want := range map[string][]app.NamedHeader{
		"/x":     {{Name: "Remote-User", Value: "pat@partner.test"}, {Name: "X-Crmgate-Assertion", Value: "(a signed JWT for sales)"}, {Name: "X-Gate", Value: "(the secret)"}},
		"/plain": {{Name: "Remote-User", Value: "pat@partner.test"}},
	} {
		a, err := app.Explain(cfg, app.Question{Email: "pat@partner.test", Method: "GET", Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, a.Headers); diff != "" {
			t.Errorf("headers of %s (-want +got):\n%s", path, diff)
		}
	}
}
