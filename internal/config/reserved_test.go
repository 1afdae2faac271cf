package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReserved(t *testing.T) {
	const upstream = "server: {public_url: https://crm.example.com}\nmail: {from: a@example.com, smtp: {host: m.example.com}}\nupstreams:\n  - id: crm\n    urls: [http://127.0.0.1:8069]\n"
	tests := []struct {
		name, file string
		want       []string
	}{
		{"all at their defaults", upstream + `    paths_as_is: "false"
    cookies: {clear: [], bind: false}
    health: {path: "", interval: 10s}
local:
  password: {min_length_with_factor: 8, max_age: 0, breach_check: ""}
  reset: {require_username: false}
tracing: {otlp_endpoint: ""}
`, nil},
		{"other spellings of the same", base + "tracing:\n", nil},
		{"deep inside", base + "tracing:\n  otlp_endpoint: https://traces.example.com\n", []string{
			`c.yaml:7: tracing.otlp_endpoint: is not supported by this version with another value than "" (Leave it out.)`}},
		{"a wrong shape", base + "tracing: {otlp_endpoint: []}\n",
			[]string{`c.yaml:6: tracing.otlp_endpoint: must be a single value, not a list`}},
		{"an unknown key inside", base + "tracing: {otlp_endpiont: x}\n",
			[]string{`c.yaml:6: tracing.otlp_endpiont: unknown key (Did you mean "otlp_endpoint"?)`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, r := load("c.yaml", []byte(tt.file), memory(nil), environment(nil))
			if diff := cmp.Diff(tt.want, lines(r)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if (cfg != nil) != (tt.want == nil) {
				t.Errorf("config %v beside findings %v", cfg != nil, lines(r))
			}
		})
	}
}

// provider is a complete provider whose further keys a test appends.
const oneProvider = base + `providers:
  - {id: contoso, type: oidc, name: Contoso, issuer: "https://id.example.com", client_id: crm, client_secret: opensesame, `

// A key that a package has begun to fulfil must leave the table, or its default must still be the table's.
func TestReservedTableIsInStep(t *testing.T) {
	fields := map[string]leaf{}
	var list []leaf
	grow(&list, defaultOf(reflect.TypeFor[Config]()), "", false)
	for _, l := range list {
		fields[l.pattern] = l
	}
	for _, k := range reservedKeys() {
		if k.only == nil {
			continue
		}
		for pattern, l := range fields {
			if strings.HasPrefix(pattern, k.pattern+".") {
				t.Errorf("%s is reserved, but the Config has a field %s", k.pattern, pattern)
			}
			if pattern == k.pattern && (!same(l.def, k.only) || l.typ != reflect.TypeOf(k.only)) {
				t.Errorf("%s is reserved at %v, but the Config's default is %v", k.pattern, k.only, l.def)
			}
		}
		parent, _, _ := strings.Cut(k.pattern[max(strings.LastIndex(k.pattern, "."), 0):], " ")
		if above := strings.TrimSuffix(k.pattern, parent); above != "" && !hasBelow(list, above) {
			t.Errorf("%s is reserved, but there is no %s", k.pattern, above)
		}
	}
}

func hasBelow(list []leaf, pattern string) bool {
	for _, l := range list {
		if strings.HasPrefix(l.pattern, pattern+".") {
			return true
		}
	}
	return false
}

// The names of the keys must survive viper, which folds their case, and must not hold its delimiter.
func TestKeysAreSnakeCase(t *testing.T) {
	for _, l := range leaves() {
		if l.pattern != strings.ToLower(l.pattern) || strings.Contains(l.pattern, delimiter) || strings.ContainsAny(l.pattern, "- ") {
			t.Errorf("%s is not in snake_case", l.pattern)
		}
		if k := l.typ.Kind(); k == reflect.Map || k == reflect.Pointer || k == reflect.Interface {
			t.Errorf("%s is a %s: user data must not be keys, and absence is the default", l.pattern, fmt.Sprint(k))
		}
	}
}
