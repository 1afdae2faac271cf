package provider

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// presetFiles are the types that are nothing but data: an OpenID Provider with its habits. A new one is a file there and nothing else; its
// name is the type.
//
//go:embed presets/*.json
var presetFiles embed.FS

// preset is what such a file says. Addresses may hold {issuer} without its closing slash, {origin} and {client_id}.
type preset struct {
	// Source is where it was read; Note is for the next one who reads it.
	Source []string `json:"source"`
	Note   string   `json:"note"`
	Issuer struct {
		// Default stands where the administrator names none; Pattern is what it looks like.
		Default string `json:"default"`
		Pattern string `json:"pattern"`
		Example string `json:"example"`
		Hint    string `json:"hint"`
	} `json:"issuer"`
	// OpenIssuers are those at which the whole world has accounts.
	OpenIssuers  []string       `json:"open_issuers"`
	ClientAuth   string         `json:"client_auth"`
	Scopes       []string       `json:"scopes"`
	Claims       ClaimsConfig   `json:"claims"`
	Password     PasswordConfig `json:"password"`
	ResponseMode string         `json:"response_mode"`
	// The rest is for dialect.
	GroupKeys    bool   `json:"group_keys"`
	ChoosePrompt string `json:"choose_prompt"`
	NoOffline    bool   `json:"no_offline"`
	NoUserinfo   bool   `json:"no_userinfo"`
	AssertIssuer bool   `json:"assert_issuer"`
	// Check is an issuer that is almost right, and what the links come to for the example; the tests read it.
	Check struct {
		WrongIssuer string `json:"wrong_issuer"`
		ClientID    string `json:"client_id"`
		ResetURL    string `json:"reset_url"`
		ChangeURL   string `json:"change_url"`
	} `json:"check"`
}

// loadPreset reads the file of a type; ok is false where there is none.
func loadPreset(name string) (p preset, ok bool, err error) {
	data, err := presetFiles.ReadFile("presets/" + name + ".json")
	if err != nil {
		return preset{}, false, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return preset{}, false, fmt.Errorf("read preset %s: %w", name, err)
	}
	return p, true, nil
}

// presetNames returns the types that have a file.
func presetNames() []string {
	files, err := presetFiles.ReadDir("presets")
	if err != nil {
		return nil // the directory is part of the program
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".json"))
	}
	return names
}

// kind makes a type of the data.
func (p preset) kind() kind {
	return kind{preset: p.fill, validate: p.validate, open: func(c Config, env Env) (identity.Provider, error) {
		return newRedirector(c, env, p.dialect())
	}}
}

func (p preset) dialect() dialect {
	return dialect{
		choosePrompt: p.ChoosePrompt, noOffline: p.NoOffline, assertIssuer: p.AssertIssuer,
		noUserinfo: p.NoUserinfo, groupKeys: p.GroupKeys, claims: p.Claims,
	}
}

// fill puts the data where the administrator wrote nothing.
func (p preset) fill(c Config) Config {
	c.Issuer = cmp.Or(c.Issuer, p.Issuer.Default)
	c.ClientAuth = cmp.Or(c.ClientAuth, p.ClientAuth, authBasic)
	c.Request.ResponseMode = cmp.Or(c.Request.ResponseMode, p.ResponseMode)
	scopes := slices.Clone(p.Scopes)
	for _, s := range c.Scopes {
		scopes = add(scopes, s)
	}
	c.Scopes = scopes
	c.Password.ResetURL = cmp.Or(c.Password.ResetURL, p.link(c, p.Password.ResetURL))
	c.Password.ChangeURL = cmp.Or(c.Password.ChangeURL, p.link(c, p.Password.ChangeURL))
	return c
}

// link completes an address; without an issuer there is none.
func (p preset) link(c Config, template string) string {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.NewReplacer(
		"{issuer}", strings.TrimSuffix(c.Issuer, "/"), "{origin}", u.Scheme+"://"+u.Host, "{client_id}", url.QueryEscape(c.ClientID),
	).Replace(template)
}

func (p preset) validate(c Config, problems *fault.Problems) {
	validateOIDC(c, problems)
	u, err := url.Parse(c.Issuer)
	if err != nil || c.Issuer == "" || isLoopback(u.Hostname()) {
		return // a trial on this machine
	}
	if looks, err := regexp.MatchString(p.Issuer.Pattern, c.Issuer); err == nil && !looks {
		*problems = append(*problems, fault.Problem{Path: "issuer", Warning: true,
			Message: fmt.Sprintf("%q does not look like an issuer of type %s, such as %s", c.Issuer, c.Type, p.Issuer.Example), Hint: p.Issuer.Hint})
	}
	if slices.Contains(p.OpenIssuers, c.Issuer) && c.AllowSignUp {
		*problems = append(*problems, fault.Problem{Path: "allow_sign_up", Warning: true,
			Message: "lets everybody in the world in who has an account at " + c.Issuer,
			Hint:    "Set it to false and invite people, or let access rules name a group and access.default be nobody."})
	}
}
