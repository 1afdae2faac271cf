package provider

import (
	"cmp"
	"time"

	"crmgate/internal/identity"
	"crmgate/internal/token"
)

// The values of client_auth, link_by_email and logout.
const (
	authBasic  = "client_secret_basic"
	authPost   = "client_secret_post"
	authKeyJWT = "private_key_jwt"
	authNone   = "none"

	linkNever    = "never"
	linkVerified = "verified"

	logoutProvider = "provider"
	logoutLocal    = "local"
)

// everyDomain in Config.Domains takes every domain that no other provider has.
const everyDomain = "*"

// Config is one entry of `providers`: what every type has, and the keys of the two ways to know people.
type Config struct {
	ID      string   `json:"id" jsonschema:"Appears in addresses and in stored links; never renamed. Lower-case letters, digits and hyphens."`
	Type    string   `json:"type" jsonschema:"entra, okta, google, github, keycloak, auth0, adfs, gitlab, jumpcloud, onelogin, ping, authentik or zitadel; oidc for any other OpenID Provider; ldap or active_directory."`
	Name    string   `json:"name" jsonschema:"On the button and in every sentence about this provider; the id where it is empty."`
	Domains []string `json:"domains" jsonschema:"Mail domains that sign in here, with every sub-domain that no other provider has. An asterisk takes every domain that no other provider has."`
	Emails  []string `json:"emails" jsonschema:"Single addresses that sign in here although their domain does not."`

	RedirectConfig
	DirectoryConfig

	CAFile          string         `json:"ca_file" jsonschema:"PEM file with the only authorities that are trusted for this provider's certificates; empty trusts the system's."`
	Groups          GroupsConfig   `json:"groups" jsonschema:"Which groups count and what they are called here; for a directory also where they are."`
	AllowSignUp     bool           `json:"allow_sign_up" jsonschema:"The first sign-in creates the account."`
	LinkByEmail     string         `json:"link_by_email" jsonschema:"never, or verified: a verified address may claim an existing account once."`
	Factor          string         `json:"factor" jsonschema:"trust leaves the second factor to the provider; always asks for one of ours at every sign-in; unless_amr asks unless the provider says that it saw two (amr)."`
	Revalidate      time.Duration  `json:"revalidate" jsonschema:"How often a live session is checked against the provider, which ends it for whoever has been disabled there and brings new groups. 0 never does."`
	RevalidateGrace time.Duration  `json:"revalidate_grace" jsonschema:"How long a session goes on while the provider cannot be asked."`
	Password        PasswordConfig `json:"password" jsonschema:"Where this provider's password is reset and changed; empty links are the type's own."`
}

// RedirectConfig is what only a provider has that the browser is sent to.
type RedirectConfig struct {
	Issuer        string   `json:"issuer" jsonschema:"The issuer exactly as the provider spells it, closing slash included. Types entra and google know theirs."`
	Organizations []string `json:"organizations" jsonschema:"Type github: only members of one of these organisations (contoso) or teams (contoso/sales) sign in."`
	TenantID      string   `json:"tenant_id" jsonschema:"Type entra: the directory (tenant) id, a GUID."`
	Tenants       []string `json:"tenants" jsonschema:"Type entra: further tenants whose accounts sign in with the same button. The registration must then be for several organisations."`

	ClientConfig

	Scopes    []string        `json:"scopes" jsonschema:"Added to openid, profile, email and the preset's."`
	Claims    ClaimsConfig    `json:"claims" jsonschema:"The names of the claims that differ between providers."`
	Request   RequestConfig   `json:"request" jsonschema:"What is added to the question to the provider."`
	GroupsAPI GroupsAPIConfig `json:"groups_api" jsonschema:"Where groups are asked that do not come with the sign-in: Microsoft Graph, Google."`
	API       APIConfig       `json:"api" jsonschema:"Access tokens of this provider that open the CRM to programs."`
	Logout    string          `json:"logout" jsonschema:"provider also ends the provider's own session at sign-out, local does not."`
}

// ClientConfig is how such a provider knows the gateway, which is its client.
type ClientConfig struct {
	ClientID              string       `json:"client_id" jsonschema:"The id under which the provider knows the gateway."`
	ClientSecret          token.Secret `json:"client_secret" jsonschema:"The secret that belongs to client_id."`
	ClientSecretFile      string       `json:"client_secret_file" jsonschema:"A file that holds client_secret."`
	ClientAuth            string       `json:"client_auth" jsonschema:"client_secret_basic, client_secret_post, private_key_jwt or none. Empty is client_secret_post for entra and google and client_secret_basic for the others."`
	ClientKeyFile         string       `json:"client_key_file" jsonschema:"private_key_jwt: a PEM file with the client's private key."`
	ClientCertificateFile string       `json:"client_certificate_file" jsonschema:"private_key_jwt: the certificate by which the provider knows the key; needed for Entra ID."`
}

// DirectoryConfig is what only a directory has.
type DirectoryConfig struct {
	URLs             []string         `json:"urls" jsonschema:"ldaps:// or, with start_tls, ldap:// addresses, tried in order."`
	StartTLS         bool             `json:"start_tls" jsonschema:"Encrypts ldap:// addresses before anything else is said. Without it they are refused."`
	BindDN           string           `json:"bind_dn" jsonschema:"The service account that looks people up."`
	BindPassword     token.Secret     `json:"bind_password" jsonschema:"The password of bind_dn."`
	BindPasswordFile string           `json:"bind_password_file" jsonschema:"A file that holds bind_password."`
	Schema           string           `json:"schema" jsonschema:"Type ldap: openldap, 389ds or freeipa. What the empty filters and attributes below are, and how a disabled account is told. Empty is openldap."`
	UserBase         string           `json:"user_base" jsonschema:"Where people stand in the tree."`
	UserFilter       string           `json:"user_filter" jsonschema:"Finds the one entry of a person; {login} is what was typed, escaped; for active_directory {name} is the same without the domain. Empty is the type's own."`
	Attributes       AttributesConfig `json:"attributes" jsonschema:"The names of the attributes that are read. Empty ones are the type's own."`
	PasswordChange   bool             `json:"password_change" jsonschema:"An expired or must-change password may be changed here, in the directory."`
	Timeout          time.Duration    `json:"timeout" jsonschema:"How long one step with the directory may take."`
}

// ClaimsConfig names the claims that differ between providers. Empty ones are the standard's names.
type ClaimsConfig struct {
	Groups   string `json:"groups" jsonschema:"Empty reads groups where it comes. A name also makes the groups wanted: they are then asked of the userinfo endpoint when the ID token lacks them."`
	Email    string `json:"email" jsonschema:"Empty is email."`
	Name     string `json:"name" jsonschema:"Empty is name."`
	Username string `json:"username" jsonschema:"Empty is preferred_username."`
}

// GroupsConfig filters and renames groups; for a directory it also says how to find them.
type GroupsConfig struct {
	Allow []string   `json:"allow" jsonschema:"Only these groups count, named as the provider does or as map renames them; empty lets all count."`
	Map   []GroupMap `json:"map" jsonschema:"New names for groups. A group that is not named here keeps its own."`

	Base   string `json:"base" jsonschema:"Where groups stand in the directory. Empty reads the memberOf attribute of the person instead."`
	Filter string `json:"filter" jsonschema:"Finds the groups of a person; {dn} and {username} are the person's, escaped. Empty is the type's own."`
	Name   string `json:"name" jsonschema:"The attribute that names a group; dn takes its whole DN. Empty is cn. For groups_api: id, displayName, onPremisesSamAccountName or mail at Microsoft, where empty is id; email or name at Google, where empty is email."`
	Nested bool   `json:"nested" jsonschema:"Also finds groups through groups. Needs base."`
}

// GroupMap renames one group.
type GroupMap struct {
	From string `json:"from" jsonschema:"The provider's name, such as a GUID."`
	To   string `json:"to" jsonschema:"The name here and in the CRM."`
}

// AttributesConfig names a directory's attributes.
type AttributesConfig struct {
	ID       string `json:"id" jsonschema:"Never changes and is never given to somebody else: entryUUID, objectGUID, ipaUniqueID, nsUniqueId."`
	Username string `json:"username" jsonschema:"The short name."`
	Email    string `json:"email" jsonschema:"The address; of several the first in one of the domains."`
	Name     string `json:"name" jsonschema:"The name to show."`
}

// PasswordConfig overrides the preset's links.
type PasswordConfig struct {
	ResetURL  string `json:"reset_url" jsonschema:"Where a forgotten password is reset."`
	ChangeURL string `json:"change_url" jsonschema:"Where a known password is changed."`
	Help      string `json:"help" jsonschema:"A sentence shown beside the links."`
}

// Default returns what every entry starts from. What differs by type stays empty here and is filled in by Open.
func (Config) Default() Config {
	c := Config{AllowSignUp: true, LinkByEmail: linkNever, Factor: string(identity.FactorTrust), Revalidate: 5 * time.Minute, RevalidateGrace: 24 * time.Hour}
	c.Logout, c.Request.PAR = logoutProvider, parAuto
	c.Timeout = 5 * time.Second
	return c
}

// displayName is what sentences call the provider.
func (c Config) displayName() string { return cmp.Or(c.Name, c.ID) }
