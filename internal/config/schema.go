package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"crmgate/internal/policy"
	"crmgate/internal/provider"
	"crmgate/internal/token"
)

// Schema returns the JSON Schema of the file, for editors. It is wider than Load where an environment variable may stand
// for any value, and where only Validate knows better.
func Schema() ([]byte, error) {
	root, err := schemaFor(reflect.TypeFor[Config]())
	if err != nil {
		return nil, err
	}
	for _, k := range reservedKeys() {
		if k.only == nil {
			continue
		}
		if err := addReserved(root, k); err != nil {
			return nil, err
		}
	}
	addDefaults(root, defaultOf(reflect.TypeFor[Config]()))
	for pattern, words := range choices() {
		s := lookup(root, pattern)
		if s == nil {
			return nil, fmt.Errorf("schema: there is no %s", pattern)
		}
		s.Type, s.AnyOf = "", []*jsonschema.Schema{{Enum: words}, variable()}
	}
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "crmgate.yaml"
	root.Description = "Configuration of crmgate"
	b, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return append(b, '\n'), nil
}

// variable is a value that the environment fills in.
func variable() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: `\$\{[A-Za-z_][A-Za-z0-9_]*\}`}
}

// schemaFor infers the schema of a type, with what the file takes and plain JSON does not.
func schemaFor(t reflect.Type) (*jsonschema.Schema, error) {
	quotable := func(s *jsonschema.Schema, pattern string) *jsonschema.Schema {
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "string", Pattern: pattern}, variable()}}
	}
	types := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[bool](): quotable(&jsonschema.Schema{Type: "boolean"}, `^(true|false)$`),
		reflect.TypeFor[int]():  quotable(&jsonschema.Schema{Type: "integer"}, wholeNumber.String()),
		// A word such as 0123 or true is text here even without quotes.
		reflect.TypeFor[string](): {Types: []string{"string", "number", "boolean"}},
		reflect.TypeFor[time.Duration](): {AnyOf: []*jsonschema.Schema{
			{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?d)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`}, {Enum: []any{0}}, variable()}},
		reflect.TypeFor[token.Secret](): {Types: []string{"string", "number"}, WriteOnly: true},
	}
	// The union is inferred like any struct, with a word beside it.
	conditions, err := jsonschema.ForType(reflect.TypeFor[policy.Allow](), &jsonschema.ForOptions{TypeSchemas: types})
	if err != nil {
		return nil, fmt.Errorf("infer schema: %w", err)
	}
	types[reflect.TypeFor[policy.Allow]()] = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Enum: []any{"anyone", "signed_in", "nobody"}}, conditions, variable()}}
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: types})
	if err != nil {
		return nil, fmt.Errorf("infer schema: %w", err)
	}
	relax(s)
	return s, nil
}

// relax takes back what the inference says about presence: every key may be missing, since it has a default or Validate
// asks for it by name; and a list is never null in the file.
func relax(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	s.Required = nil
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	for _, p := range s.Properties {
		relax(p)
	}
	for _, p := range s.AnyOf {
		relax(p)
	}
	relax(s.Items)
}

// lookup finds the schema of a pattern such as providers[].type, nil where there is none.
func lookup(s *jsonschema.Schema, pattern string) *jsonschema.Schema {
	for key := range strings.SplitSeq(pattern, ".") {
		key, isList := strings.CutSuffix(key, "[]")
		if s = s.Properties[key]; s == nil {
			return nil
		}
		if isList {
			if s = s.Items; s == nil {
				return nil
			}
		}
	}
	return s
}

// addReserved adds the schema of a key that no struct has.
func addReserved(root *jsonschema.Schema, k reservedKey) error {
	parent, key := root, k.pattern
	if i := strings.LastIndex(k.pattern, "."); i >= 0 {
		parent, key = lookup(root, k.pattern[:i]), k.pattern[i+1:]
	}
	if parent == nil {
		return fmt.Errorf("schema: there is nothing above %s", k.pattern)
	}
	s := parent.Properties[key]
	if s == nil {
		var err error
		if s, err = schemaFor(reflect.TypeOf(k.only)); err != nil {
			return err
		}
		parent.Properties[key] = s
		parent.PropertyOrder = append(parent.PropertyOrder, key)
		addDefaults(s, reflect.ValueOf(k.only))
	}
	s.Description = k.about
	return nil
}

// addDefaults notes the default of every key that has one.
func addDefaults(s *jsonschema.Schema, v reflect.Value) {
	switch {
	case s == nil:
	case v.Kind() == reflect.Struct && len(s.Properties) > 0:
		for _, f := range fieldsOf(v.Type()) {
			addDefaults(s.Properties[f.key], v.FieldByIndex(f.index))
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		addDefaults(s.Items, defaultOf(v.Type().Elem()))
	case v.Kind() == reflect.Struct || v.Type() == secretType:
	default:
		if v.IsZero() && v.Kind() != reflect.Bool && v.Kind() != reflect.Int {
			return
		}
		def := v.Interface()
		if d, ok := def.(time.Duration); ok {
			def = formatDuration(d)
		}
		if b, err := json.Marshal(def); err == nil {
			s.Default = b
		}
	}
}

// providerTypes are the values of providers[].type: a type may be a file that nobody else names.
func providerTypes() []any {
	var out []any
	for _, t := range provider.Types() {
		out = append(out, t)
	}
	return out
}

// choices are the keys that take one of a few words. Their packages' Validate has the last word; a test holds the two
// together.
func choices() map[string][]any {
	return map[string][]any{
		"access.default":                    {"signed_in", "nobody"},
		"access.tests[].expect":             {"allow", "deny"},
		"providers[].type":                  providerTypes(),
		"providers[].client_auth":           {"", "client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"providers[].request.prompt":        {"", "login", "consent", "select_account"},
		"providers[].request.response_mode": {"", "query", "form_post"},
		"providers[].request.par":           {"", "auto", "always", "never"},
		"providers[].link_by_email":         {"never", "verified"},
		"providers[].logout":                {"provider", "local"},
		"session.store":                     {"sql", "redis"},
		"storage.driver":                    {"sqlite", "postgres"},
		"mail.smtp.security":                {"starttls", "tls", "none"},
		"log.level":                         {"debug", "info", "warn", "error"},
		"log.format":                        {"json", "text"},
	}
}
