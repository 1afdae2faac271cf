package archtest

import (
	"slices"
	"strings"
	"testing"
)

// fence keeps a library inside the packages that own it.
type fence struct {
	what string
	// imports are import paths; those below them count too.
	imports []string
	// owners are the packages that may use it.
	owners []string
}

var fences = []fence{
	{"viper, YAML and the JSON Schema", []string{"github.com/spf13/viper", "github.com/go-viper", "go.yaml.in/yaml", "gopkg.in/yaml.v2", "gopkg.in/yaml.v3", "github.com/google/jsonschema-go"}, []string{"internal/config"}},
	{"OpenID Connect and OAuth", []string{"github.com/coreos/go-oidc", "golang.org/x/oauth2"}, []string{"internal/provider"}},
	{"signed tokens and their keys", []string{"github.com/go-jose"}, []string{"internal/provider", "internal/proxy"}},
	{"metrics", []string{"github.com/prometheus"}, []string{"internal/app"}},
	{"LDAP", []string{"github.com/go-ldap", "github.com/go-asn1-ber"}, []string{"internal/provider"}},
	{"SQL and its drivers", []string{"database/sql", "github.com/jackc/pgx", "modernc.org/sqlite", "github.com/pressly/goose"}, []string{"internal/sqlstore"}},
	{"the Redis client", []string{"github.com/redis/rueidis"}, []string{"internal/redisstore"}},
	{"second factors", []string{"github.com/go-webauthn", "github.com/pquerna/otp", "github.com/boombuler/barcode"}, []string{"internal/mfa"}},
	{"password hashing", []string{"golang.org/x/crypto/argon2", "golang.org/x/crypto/bcrypt", "golang.org/x/crypto/scrypt", "golang.org/x/crypto/pbkdf2", "crypto/pbkdf2"}, []string{"internal/account"}},
	{"templates", []string{"html/template", "text/template"}, []string{"internal/page"}},
	{"gorilla's sessions", []string{"github.com/gorilla/sessions", "github.com/gorilla/securecookie"}, []string{"internal/session"}},
	{"certificates by ACME", []string{"golang.org/x/crypto/acme"}, []string{"internal/app"}},
	{"SMTP", []string{"github.com/wneessen/go-mail", "net/smtp"}, []string{"internal/mail"}},
	{"the command line", []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "flag"}, []string{"cmd/crmgate"}},
	{"what only tests need", []string{"testing", "net/http/httptest", "github.com/google/go-cmp", "github.com/chromedp", "github.com/rogpeppe/go-internal", "github.com/emersion"}, []string{suite}},
	{"a library that has been left for another", []string{"github.com/golang/protobuf", "github.com/pkg/errors", "io/ioutil", "github.com/sirupsen/logrus", "go.uber.org/zap"}, nil},
}

func TestLibrariesStayBehindTheirFences(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || isBeside(s.pkg) {
			continue
		}
		for _, imp := range s.imports {
			f, ok := fenceOf(imp)
			switch {
			case !ok || slices.Contains(f.owners, s.pkg):
			case len(f.owners) == 0:
				t.Errorf("%s imports %s: it is %s", s.name, imp, f.what)
			default:
				t.Errorf("%s imports %s: %s are the business of %s only; ask that package for what you need, in a type of ours", s.name, imp, f.what, strings.Join(f.owners, " and "))
			}
		}
	}
}

// fenceOf returns the fence that an import path stands behind.
func fenceOf(imp string) (fence, bool) {
	for _, f := range fences {
		for _, lib := range f.imports {
			// "go.yaml.in/yaml" stands for every major version, "testing" not for "testing/fstest" alone but for all of it.
			if imp == lib || strings.HasPrefix(imp, lib+"/") {
				return f, true
			}
		}
	}
	return fence{}, false
}

func TestFenceOf(t *testing.T) {
	for imp, want := range map[string]string{
		"github.com/spf13/viper": "internal/config", "go.yaml.in/yaml/v3": "internal/config", "github.com/coreos/go-oidc/v3/oidc": "internal/provider",
		"github.com/jackc/pgx/v5/stdlib": "internal/sqlstore", "golang.org/x/crypto/argon2": "internal/account", "net/http": "", "golang.org/x/crypto/hkdf": "",
		"html/template": "internal/page", "flagship": "", "testing/synctest": suite,
	} {
		f, ok := fenceOf(imp)
		if ok != (want != "") || ok && !slices.Contains(f.owners, want) {
			t.Errorf("fenceOf(%q) = %v, %v; want %q", imp, f.owners, ok, want)
		}
	}
}
