package proxy

import (
	"time"
)

// Config is one entry of `upstreams`.
type Config struct {
	ID string `json:"id"`
	// URLs holds the address of the CRM; one for now.
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
	// UnderscoreHeaders passes header names with "_" on, but never those that equal an identity header.
	UnderscoreHeaders bool `json:"underscore_headers"`
	// FastGet asks GET and HEAD over connections of the gateway's own where the CRM speaks plain HTTP/1.1.
	FastGet bool `json:"fast_get"`
}

// IdentityConfig says what the CRM is told about the person.
type IdentityConfig struct {
	// Headers replace the default ones, all of them.
	Headers   []HeaderConfig  `json:"headers"`
	Assertion AssertionConfig `json:"assertion"`
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
	return Config{Paths: []string{"/"}, PreserveHost: true, FastGet: true, Identity: IdentityConfig{Assertion: AssertionConfig{Enabled: true}},
		Timeouts: TimeoutsConfig{Connect: 5 * time.Second, ResponseHeader: 60 * time.Second}}
}
