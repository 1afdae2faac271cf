package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write config/crmgate.schema.json")

const schemaFile = "../../config/crmgate.schema.json"

func TestSchemaFileIsInStep(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("config/crmgate.schema.json is not what Schema returns: go test ./internal/config -run TestSchemaFileIsInStep -update")
	}
}

func TestSchemaJudgesLikeLoad(t *testing.T) {
	resolved := resolve(t)
	tests := []struct {
		name, file string
		ok         bool
	}{
		{"minimal", base, true},
		{"quoted scalars", base + "local: {enabled: \"true\", lockout: {failures: \"7\", window: 1d12h}}\nsession: {max_per_account: \"${N}\", idle_timeout: 0}\n", true},
		{"words that look like something else", base + "branding: {product: 0123, organisation: true}\n", true},
		{"allow as a word and as conditions", base + "access: {rules: [{name: a, allow: anyone}, {name: b, allow: {groups: [x]}}]}\n", true},
		{"reserved", base + "factors: {policy: optional}\ntracing: {otlp_endpoint: \"\"}\n", true},
		{"unknown key", base + "nope: 1\n", false},
		{"unknown key inside", base + "local: {nope: 1}\n", false},
		{"unknown word", base + "log: {level: loud}\n", false},
		{"unknown condition", base + "access: {rules: [{name: b, allow: {gruops: [x]}}]}\n", false},
		{"list for a word", base + "log: {level: [info]}\n", false},
		{"no boolean", base + "local: {enabled: maybe}\n", false},
		{"no duration", base + "session: {idle_timeout: long}\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := resolved.Validate(asJSON(t, []byte(tt.file))); (err == nil) != tt.ok {
				t.Errorf("schema says %v, want ok %v", err, tt.ok)
			}
		})
	}
}

func resolve(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	b, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// asJSON reads YAML the way an editor does.
func asJSON(t *testing.T, file []byte) any {
	t.Helper()
	var v any
	dec := yaml.NewDecoder(bytes.NewReader(file))
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Every word that the schema offers must pass its package's Validate, and another must not.
func TestSchemaChoicesAreValidates(t *testing.T) {
	file := func(pattern, word string) string {
		switch pattern {
		case "access.default":
			return base + "access: {default: " + word + "}\n"
		case "access.tests[].expect":
			return base + "access: {tests: [{email: a@example.com, request: GET /, expect: " + word + "}]}\n"
		case "session.store":
			return base + "session: {store: " + word + "}\nredis: {addresses: [\"127.0.0.1:6379\"]}\n"
		case "storage.driver":
			return base + "storage: {driver: " + word + ", dsn: \"postgres://u@h/d\"}\n"
		case "mail.smtp.security":
			return "server: {public_url: https://a.example.com}\nupstreams: [{id: a, urls: [http://a:1]}]\nmail: {from: a@example.com, smtp: {host: m, security: " + word + "}}\n"
		case "log.level", "log.format":
			return base + "log: {" + pattern[4:] + ": " + word + "}\n"
		}
		return "" // what a provider takes together is tested with its examples
	}
	for pattern, words := range choices() {
		if file(pattern, "") == "" {
			continue
		}
		for _, word := range append(words, any("nonsense")) {
			_, r := load("c.yaml", []byte(file(pattern, word.(string))), memory(nil), environment(nil))
			if want := word != "nonsense"; r.OK() != want {
				t.Errorf("%s: %s is ok %v, want %v: %q", pattern, word, r.OK(), want, lines(r))
			}
		}
	}
}
