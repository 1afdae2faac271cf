package provider

import (
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// Config is one entry of `providers`.
type Config struct {
	ID      string   `json:"id"`
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Domains []string `json:"domains"`
	Emails  []string `json:"emails"`

	// OpenID Connect.

	Issuer           string       `json:"issuer"`
	TenantID         string       `json:"tenant_id"`
	ClientID         string       `json:"client_id"`
	ClientSecret     token.Secret `json:"client_secret"`
	ClientSecretFile string       `json:"client_secret_file"`
	ClientAuth       string       `json:"client_auth"`
	Scopes           []string     `json:"scopes"`
	Claims           ClaimsConfig `json:"claims"`
	CAFile           string       `json:"ca_file"`
	Logout           string       `json:"logout"`

	// Directories.

	URLs             []string         `json:"urls"`
	StartTLS         bool             `json:"start_tls"`
	BindDN           string           `json:"bind_dn"`
	BindPassword     token.Secret     `json:"bind_password"`
	BindPasswordFile string           `json:"bind_password_file"`
	UserBase         string           `json:"user_base"`
	UserFilter       string           `json:"user_filter"`
	Attributes       AttributesConfig `json:"attributes"`
	Timeout          time.Duration    `json:"timeout"`

	// Both.

	Groups      GroupsConfig   `json:"groups"`
	AllowSignUp bool           `json:"allow_sign_up"`
	LinkByEmail string         `json:"link_by_email"`
	Password    PasswordConfig `json:"password"`
}

// ClaimsConfig names the claims that differ between providers.
type ClaimsConfig struct {
	Groups   string `json:"groups"`
	Email    string `json:"email"`
	Name     string `json:"name"`
	Username string `json:"username"`
}

// GroupsConfig filters and renames groups; for a directory it also says how to find them.
type GroupsConfig struct {
	Allow []string   `json:"allow"`
	Map   []GroupMap `json:"map"`

	Base   string `json:"base"`
	Filter string `json:"filter"`
	Name   string `json:"name"`
	Nested bool   `json:"nested"`
}

// GroupMap renames one group.
type GroupMap struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// AttributesConfig names a directory's attributes.
type AttributesConfig struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Email    string `json:"email"`
	Name     string `json:"name"`
}

// PasswordConfig overrides the preset's links.
type PasswordConfig struct {
	ResetURL  string `json:"reset_url"`
	ChangeURL string `json:"change_url"`
	Help      string `json:"help"`
}

// Default returns what every entry starts from.
func (Config) Default() Config {
	return Config{AllowSignUp: true, LinkByEmail: "never", Logout: "provider", ClientAuth: "client_secret_basic", Timeout: 5 * time.Second}
}

// Validate names every fault.
func (c Config) Validate() fault.Problems { return nil }
