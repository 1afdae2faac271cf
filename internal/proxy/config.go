package proxy

import (
	"time"

	"crmgate/internal/token"
)

// Config is one entry of `upstreams`.
type Config struct {
	ID string `json:"id"`
	// URLs are the addresses of the CRM: http, https, or h2c for HTTP/2 without TLS. Requests are spread over several.
	URLs []string `json:"urls"`
	// Hosts are the host names that this upstream answers to. Empty: every host.
	Hosts []string `json:"hosts"`
	// Paths are path prefixes, compared segment by segment; the longest of all upstreams wins.
	Paths []string `json:"paths"`
	// PreserveHost passes the Host that the client sent; otherwise the CRM sees the host of its own address.
	PreserveHost bool           `json:"preserve_host"`
	Identity     IdentityConfig `json:"identity"`
	Timeouts     TimeoutsConfig `json:"timeouts"`
	TLS          TLSConfig      `json:"tls"`
	// PathsAsIs passes paths on that servers read in different ways; rules must then allow every reading.
	PathsAsIs bool `json:"paths_as_is"`
	// IgnoreCase is for a CRM to which /Admin and /admin are the same: rules then match in any case.
	IgnoreCase bool `json:"ignore_case"`
	// UnderscoreHeaders passes header names with "_" on, but never those that equal an identity header.
	UnderscoreHeaders bool `json:"underscore_headers"`
	// FastGet asks GET and HEAD over connections of the gateway's own where the CRM speaks plain HTTP/1.1.
	FastGet bool          `json:"fast_get"`
	Cookies CookiesConfig `json:"cookies"`
	// CrossSite is "allow", or "refuse" for no request that may change something and comes from a page of another site.
	CrossSite string `json:"cross_site"`
	// Sticky keeps each session at one of several addresses, as long as that one is well.
	Sticky bool         `json:"sticky"`
	Health HealthConfig `json:"health"`
}

// CookiesConfig says what becomes of the CRM's own cookies where the person at a browser changes.
type CookiesConfig struct {
	// Clear are names, with * for any characters, of cookies that are removed at sign-in and sign-out.
	Clear []string `json:"clear"`
	// Bind passes a cookie on in the session only that it was set in.
	Bind bool `json:"bind"`
}

// HealthConfig is the active check of each address: a GET of Path every Interval. An empty Path makes none.
type HealthConfig struct {
	Path     string        `json:"path"`
	Interval time.Duration `json:"interval"`
}

// IdentityConfig says what the CRM is told about the person.
type IdentityConfig struct {
	// Headers replace the default ones, all of them.
	Headers []HeaderConfig `json:"headers"`
	// Encoding of values beyond ASCII: "utf8" as they are, "rfc8187" as UTF-8''J%C3%BCrgen.
	Encoding string `json:"encoding"`
	// Groups is how several groups are written in one header: "comma", "pipe" or "json".
	Groups       string             `json:"groups"`
	Assertion    AssertionConfig    `json:"assertion"`
	SecretHeader SecretHeaderConfig `json:"secret_header"`
}

// SecretHeaderConfig is a header that only the gateway and the CRM know: by it the CRM refuses whoever comes another way. An empty
// Name sends none.
type SecretHeaderConfig struct {
	Name      string       `json:"name"`
	Value     token.Secret `json:"value"`
	ValueFile string       `json:"value_file"`
}

// HeaderConfig is one identity header. Value is one of account.id, email, name, username, groups, provider.
type HeaderConfig struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// AssertionConfig is the signed assertion; an empty audience is the upstream's id.
type AssertionConfig struct {
	Enabled  bool   `json:"enabled"`
	Audience string `json:"audience"`
	// BindRoute signs one for each request, with its method and address. It costs more than everything else the gateway does.
	BindRoute bool `json:"bind_route"`
}

// TimeoutsConfig bounds how long the CRM may take.
type TimeoutsConfig struct {
	// Connect bounds the connection and, after it, the TLS handshake.
	Connect time.Duration `json:"connect"`
	// ResponseHeader bounds the wait for the head of the response once the request is sent; 0 waits as long as the client does.
	ResponseHeader time.Duration `json:"response_header"`
}

// TLSConfig is for an https upstream.
type TLSConfig struct {
	// CAFile holds the authorities to trust (PEM) in place of the system's.
	CAFile string `json:"ca_file"`
	// CertFile and KeyFile are the gateway's own certificate, for a CRM that asks for one.
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
	// ServerName is the name to expect in the CRM's certificate; empty: the host of its address.
	ServerName string `json:"server_name"`
}

// h2cScheme is the scheme of an address that speaks HTTP/2 without TLS from the first byte on (RFC 9113, 3.3).
const h2cScheme = "h2c"

// The values of Config.CrossSite.
const (
	crossSiteAllow  = "allow"
	crossSiteRefuse = "refuse"
)

// AssertionHeader carries the signed assertion.
const AssertionHeader = "X-Crmgate-Assertion"

// DefaultHeaders are the identity headers of an upstream that names none.
func DefaultHeaders() []HeaderConfig {
	return []HeaderConfig{
		{"X-Forwarded-User", "account.id"},
		{"X-Forwarded-Email", "email"},
		{"X-Forwarded-Name", "name"},
		{"X-Forwarded-Preferred-Username", "username"},
		{"X-Forwarded-Groups", "groups"},
		{"X-Crmgate-Provider", "provider"},
	}
}

// Default returns what every entry starts from.
func (Config) Default() Config {
	return Config{Paths: []string{"/"}, PreserveHost: true, FastGet: true, CrossSite: crossSiteAllow,
		Identity: IdentityConfig{Encoding: encodingUTF8, Groups: groupsComma, Assertion: AssertionConfig{Enabled: true}},
		Timeouts: TimeoutsConfig{Connect: 5 * time.Second, ResponseHeader: 60 * time.Second},
		Health:   HealthConfig{Interval: 10 * time.Second}}
}
