package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type inner struct {
	Second int `json:"second"`
}

type outer struct {
	First string `json:"first"`
	inner
	Inner
	Fourth bool `json:"fourth"`
}

// Inner is exported as those of the packages are.
type Inner struct {
	Third string `json:"third"`
}

func TestEmbeddedKeysStandWhereTheyAreEmbedded(t *testing.T) {
	var got []string
	v := reflect.ValueOf(outer{"a", inner{2}, Inner{"c"}, true})
	for _, f := range fieldsOf(v.Type()) {
		got = append(got, f.key)
	}
	if diff := cmp.Diff([]string{"first", "second", "third", "fourth"}, got); diff != "" {
		t.Error(diff)
	}
	want := map[string]any{"first": "a", "second": 2, "third": "c", "fourth": true}
	if diff := cmp.Diff(want, toTree(v)); diff != "" {
		t.Error(diff)
	}
}

func TestEmbeddedKeysLoad(t *testing.T) {
	file := func(last string) []byte {
		return []byte(base + `providers:
  - {id: a, type: ldap, urls: ["ldaps://dc.example"], bind_dn: "cn=a", bind_password_file: pw, user_base: "ou=people", user_filter: "(uid={login})"}
  - {id: b, type: oidc, issuer: "https://id.example", client_id: crm, client_secret_file: pw, client_auth: client_secret_post, ` + last + `}
`)
	}
	fs := memory(map[string]string{"/etc/crmgate/pw": "s3cret"})
	cfg, r := load("c.yaml", file("scopes: [crm]"), fs, environment(nil))
	if cfg == nil || len(r.Findings) > 0 {
		t.Fatalf("findings: %q", lines(r))
	}
	a, b := cfg.Providers[0], cfg.Providers[1]
	got := []any{a.URLs, a.BindPassword.Reveal(), a.Timeout, b.Issuer, b.ClientSecret.Reveal(), b.Scopes, b.Logout, b.Request.PAR}
	want := []any{[]string{"ldaps://dc.example"}, "s3cret", 5 * time.Second, "https://id.example", "s3cret", []string{"crm"}, "provider", "auto"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	_, r = load("c.yaml", file("tiemout: 2s"), fs, environment(nil))
	if diff := cmp.Diff([]string{`c.yaml:8: providers[1].tiemout: unknown key (Did you mean "timeout"?)`}, lines(r)); diff != "" {
		t.Error(diff)
	}
}
