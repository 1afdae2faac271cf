package provider_test

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

// presetFile is the part of a file below presets that its test reads.
type presetFile struct {
	kind   string
	Source []string
	Note   string
	Issuer struct{ Default, Pattern, Example, Hint string }
	Check  struct {
		WrongIssuer string `json:"wrong_issuer"`
		ClientID    string `json:"client_id"`
		ResetURL    string `json:"reset_url"`
		ChangeURL   string `json:"change_url"`
	}
}

func presetFiles(t *testing.T) []presetFile {
	t.Helper()
	names, err := filepath.Glob("presets/*.json")
	if err != nil || len(names) < 9 {
		t.Fatalf("%d presets, %v", len(names), err)
	}
	var out []presetFile
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p := presetFile{kind: strings.TrimSuffix(filepath.Base(name), ".json")}
		if err := json.Unmarshal(data, &p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, p)
	}
	return out
}

// Each preset: its source, its own example, what becomes of its links, and a sign-in through it.
func TestPresets(t *testing.T) {
	for _, preset := range presetFiles(t) {
		t.Run(preset.kind, func(t *testing.T) {
			if !slices.Contains(provider.Types(), preset.kind) {
				t.Error("it is no type")
			}
			for _, s := range preset.Source {
				if u, err := url.Parse(s); err != nil || u.Scheme != "https" {
					t.Errorf("%q is no source", s)
				}
			}
			if len(preset.Source) == 0 || preset.Note == "" || preset.Issuer.Example == "" || preset.Issuer.Hint == "" {
				t.Errorf("source, note, example or hint is missing: %+v", preset)
			}
			c := provider.Config{}.Default()
			c.ID, c.Type, c.Issuer, c.ClientID, c.ClientSecret = "p", preset.kind, preset.Issuer.Example, preset.Check.ClientID, "s"
			if problems := c.Validate(); len(problems) > 0 {
				t.Errorf("the example: %+v", problems)
			}
			opened, err := provider.Open(c, provider.Env{RedirectURI: redirectURI})
			if err != nil {
				t.Fatal(err)
			}
			want := identity.PasswordHelp{ResetURL: preset.Check.ResetURL, ChangeURL: preset.Check.ChangeURL}
			if diff := cmp.Diff(want, opened.Info().Password); diff != "" {
				t.Errorf("links (-want +got):\n%s", diff)
			}
			c.Issuer = preset.Check.WrongIssuer
			if problems := c.Validate(); len(problems) != 1 || !problems[0].Warning || problems[0].Path != "issuer" {
				t.Errorf("an issuer of another form: %+v", problems)
			}
			signInThrough(t, preset.kind)
		})
	}
}

// signInThrough signs Ann in at a provider on this machine under a type.
func signInThrough(t *testing.T, kind string) {
	t.Helper()
	p := newParty(t, nil, func(c *provider.Config) { c.Type = kind })
	if id := p.mustSignIn(); id.Email != "ann@contoso.example" {
		t.Errorf("identity: %+v", id)
	}
}

func TestPresetsSayNoIssuer(t *testing.T) {
	for _, preset := range presetFiles(t) {
		c := provider.Config{}.Default()
		c.ID, c.Type, c.ClientID, c.ClientSecret = "p", preset.kind, "crm", "s"
		problems := slices.DeleteFunc(c.Validate(), func(p fault.Problem) bool { return p.Warning })
		if (len(problems) == 0) != (preset.Issuer.Default != "") {
			t.Errorf("%s without an issuer: %+v", preset.kind, problems)
		}
	}
}

func TestPresetHabits(t *testing.T) {
	type want struct{ scope, prompt, mode, auth string }
	for _, tt := range []struct {
		kind string
		want want
	}{
		{"keycloak", want{"openid profile email", "login", "", "client_secret_basic"}},
		{"auth0", want{"openid profile email offline_access", "login", "", "client_secret_basic"}},
		{"adfs", want{"openid profile email allatclaims offline_access", "login", "form_post", "client_secret_post"}},
		{"gitlab", want{"openid profile email", "login", "", "client_secret_basic"}},
		{"jumpcloud", want{"openid profile email offline_access", "login", "", "client_secret_basic"}},
		{"onelogin", want{"openid profile email groups offline_access", "login", "", "client_secret_basic"}},
		{"ping", want{"openid profile email offline_access", "login", "", "client_secret_basic"}},
		{"authentik", want{"openid profile email offline_access", "login", "", "client_secret_basic"}},
		{"zitadel", want{"openid profile email urn:zitadel:iam:org:projects:roles offline_access", "select_account", "", "client_secret_basic"}},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			p := newParty(t, nil, func(c *provider.Config) { c.Type = tt.kind })
			address, err := p.AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: "n", Verifier: pkce, SelectAccount: true})
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			p.mustSignIn()
			got := want{q.Get("scope"), q.Get("prompt"), q.Get("response_mode"), p.idp.TokenRequests()[0].Auth}
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if p.Info().FormPost != (tt.want.mode == "form_post") {
				t.Errorf("FormPost = %v", p.Info().FormPost)
			}
		})
	}
}

func TestPresetGroups(t *testing.T) {
	roles := map[string]any{"sales": map[string]any{"1": "contoso.com"}, "admin": map[string]any{}}
	for _, tt := range []struct {
		name, kind string
		change     func(*provider.Config)
		claims     map[string]any
		want       []string
		refused    string
	}{
		{name: "Zitadel's roles are the keys", kind: "zitadel", claims: map[string]any{"urn:zitadel:iam:org:project:roles": roles}, want: []string{"admin", "sales"}},
		{name: "Zitadel without roles", kind: "zitadel"},
		{name: "AD FS says group", kind: "adfs", claims: map[string]any{"group": "Domain Users"}, want: []string{"Domain Users"}},
		{name: "Auth0 under an address of yours", kind: "auth0", change: func(c *provider.Config) { c.Claims.Groups = "https://contoso.com/groups" },
			claims: map[string]any{"https://contoso.com/groups": []string{"a"}}, want: []string{"a"}},
		{name: "an object elsewhere is no list", kind: "oidc", change: func(c *provider.Config) { c.Claims.Groups = "roles" },
			claims: map[string]any{"roles": roles}, refused: "forbidden: groups_malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, nil, func(c *provider.Config) {
				c.Type = tt.kind
				if tt.change != nil {
					tt.change(c)
				}
			})
			p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) {
				delete(c, "groups")
				for name, v := range tt.claims {
					c[name] = v
				}
			}})
			id, err := p.signIn()
			if tt.refused != "" {
				if refusal(err) != tt.refused {
					t.Errorf("sign-in: %s, want %s", refusal(err), tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, id.Groups); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

func TestADFSIsNotAskedForUserinfo(t *testing.T) {
	p := newParty(t, nil, func(c *provider.Config) { c.Type, c.Claims.Groups = "adfs", "group" })
	p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) { delete(c, "email") }})
	if _, err := p.signIn(); err != nil {
		t.Fatal(err)
	}
	if n := p.idp.Calls(fakeidp.EndpointUserinfo); n != 0 {
		t.Errorf("userinfo was asked %d times", n)
	}
}

func TestTheWholeWorldIsWarnedAbout(t *testing.T) {
	for kind, path := range map[string]string{"gitlab": "allow_sign_up", "github": "organizations"} {
		c := provider.Config{}.Default()
		c.ID, c.Type, c.ClientID, c.ClientSecret = "p", kind, "crm", "s"
		if problems := c.Validate(); len(problems) != 1 || problems[0].Path != path || !problems[0].Warning {
			t.Errorf("%s: %+v", kind, problems)
		}
		c.AllowSignUp = false
		if problems := c.Validate(); len(problems) != 0 {
			t.Errorf("%s without sign-up: %+v", kind, problems)
		}
	}
}

func TestTypesThatAreFiles(t *testing.T) {
	for _, kind := range []string{"", ".", "../presets/keycloak", "keycloak.json", "KEYCLOAK", "nothing"} {
		c := good("oidc")
		c.Type = kind
		if problems := c.Validate(); len(problems) == 0 || problems[0].Path != "type" {
			t.Errorf("type %q: %+v", kind, problems)
		}
	}
}

// A new file below presets is a new type, and whoever reads the schema or an editor's hint must find it there.
func TestTheSchemaNamesEveryType(t *testing.T) {
	field, ok := reflect.TypeFor[provider.Config]().FieldByName("Type")
	if !ok {
		t.Fatal("Config has no Type")
	}
	said := strings.FieldsFunc(field.Tag.Get("jsonschema"), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	for _, name := range provider.Types() {
		if !slices.Contains(said, name) {
			t.Errorf("the description of providers[].type does not name %s", name)
		}
	}
}
