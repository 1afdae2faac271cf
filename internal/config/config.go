package config

import (
	"reflect"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/bearer"
	"crmgate/internal/mail"
	"crmgate/internal/mfa"
	"crmgate/internal/page"
	"crmgate/internal/policy"
	"crmgate/internal/provider"
	"crmgate/internal/proxy"
	"crmgate/internal/redisstore"
	"crmgate/internal/session"
	"crmgate/internal/sqlstore"
	"crmgate/internal/token"
)

// Config is the whole file.
type Config struct {
	Server    ServerConfig         `json:"server" jsonschema:"Where the gateway listens and what the world calls it."`
	Upstreams []proxy.Config       `json:"upstreams" jsonschema:"The CRM behind the gateway; at least one."`
	Access    policy.Config        `json:"access" jsonschema:"Who may pass where."`
	Providers []provider.Config    `json:"providers" jsonschema:"Sources of corporate identity."`
	Local     account.Config       `json:"local" jsonschema:"Accounts whose password the gateway itself keeps."`
	Factors   mfa.Config           `json:"factors" jsonschema:"Second factors: what people prove beside a password."`
	Notices   account.NoticeConfig `json:"notices" jsonschema:"What people are told by mail about sign-ins to their account."`
	Session   session.Config       `json:"session" jsonschema:"How long somebody stays signed in."`
	Storage   sqlstore.Config      `json:"storage" jsonschema:"The database."`
	Redis     redisstore.Config    `json:"redis" jsonschema:"Used where session.store is redis."`
	Mail      mail.Config          `json:"mail" jsonschema:"The way to people's mailboxes."`
	Branding  page.Config          `json:"branding" jsonschema:"What the pages and mails look like."`
	Tokens    bearer.Config        `json:"tokens" jsonschema:"Access tokens with which programs use the CRM in somebody's name."`
	Audit     audit.Config         `json:"audit" jsonschema:"The trail of security events."`
	Admins    policy.AdminsConfig  `json:"admins" jsonschema:"Who administers the gateway."`
	Log       LogConfig            `json:"log" jsonschema:"The log on standard error."`
}

// Default returns what an empty file means: the defaults of every section.
func Default() Config { return defaultOf(reflect.TypeFor[Config]()).Interface().(Config) }

// ServerConfig is the `server` section.
type ServerConfig struct {
	// PublicURL is scheme and host without a path; the only source of links and redirect URIs.
	PublicURL string `json:"public_url" jsonschema:"The address people type, such as https://crm.example.com: the one source of links in mail and redirect URIs."`
	// Listen is the public listener's host:port; an empty host is every address.
	Listen string `json:"listen" jsonschema:"Host:port of the public listener."`
	// PathPrefix is where the gateway's own pages live; everything else belongs to the CRM.
	PathPrefix string `json:"path_prefix" jsonschema:"Where the gateway's own pages live."`
	// OpsListen is host:port for health and metrics; empty turns that listener off.
	OpsListen string `json:"ops_listen" jsonschema:"Host:port of /healthz, /readyz and /metrics; empty turns them off."`
	// TrustedProxies are networks and single addresses whose X-Forwarded-* headers are believed (middleware.ParseProxies).
	TrustedProxies []string `json:"trusted_proxies" jsonschema:"Networks (CIDR) and addresses of the load balancers whose X-Forwarded-* headers are believed."`
	// ForwardAuth is who may ask /_gate/auth.
	ForwardAuth ForwardAuthConfig `json:"forward_auth" jsonschema:"Who may ask /_gate/auth about requests, for a proxy in front that keeps the traffic to itself."`
	TLS         ServerTLSConfig   `json:"tls" jsonschema:"Certificate of the public listener; without one it speaks plain HTTP."`
	// ProxyProtocol makes the trusted proxies begin each connection with a PROXY header, version 2.
	ProxyProtocol bool `json:"proxy_protocol" jsonschema:"The trusted proxies begin each connection with a PROXY header, version 2."`
	// HTTPListen is host:port of a listener that sends browsers to public_url; empty opens none.
	HTTPListen string     `json:"http_listen" jsonschema:"Host:port of a plain listener that sends browsers to public_url and answers ACME's questions; empty opens none."`
	HSTS       HSTSConfig `json:"hsts" jsonschema:"How long browsers come by https only."`
	// DataDir is where keys and the SQLite file live.
	DataDir string `json:"data_dir" jsonschema:"Keys and the SQLite file; created with mode 0700."`
	// ShutdownGrace is how long running requests may take after SIGTERM.
	ShutdownGrace time.Duration `json:"shutdown_grace" jsonschema:"How long running requests may take after SIGTERM."`
}

// ForwardAuthConfig is `server.forward_auth`.
type ForwardAuthConfig struct {
	Enabled bool `json:"enabled" jsonschema:"False where no proxy asks and all traffic passes through the gateway."`
	// Proxies are those of trusted_proxies that may ask; empty is all of them.
	Proxies    []string     `json:"proxies" jsonschema:"Those of trusted_proxies that ask; none: any of them may."`
	Secret     token.Secret `json:"secret" jsonschema:"The proxy has to send this in X-Crmgate-Forward-Secret; empty asks for none."`
	SecretFile string       `json:"secret_file" jsonschema:"A file that holds secret."`
	// Redirect is for proxies that hand the answer on as it is (Caddy, Traefik, Envoy).
	Redirect bool `json:"redirect" jsonschema:"True answers a browser that navigates 303 to the sign-in page instead of 401, for proxies that hand the answer on."`
}

// Default returns the section's defaults.
func (ForwardAuthConfig) Default() ForwardAuthConfig { return ForwardAuthConfig{Enabled: true} }

// ServerTLSConfig is `server.tls`: both files, or ACME, or neither. Files are read again when they change.
type ServerTLSConfig struct {
	CertFile string     `json:"cert_file" jsonschema:"PEM file with the certificate and its chain."`
	KeyFile  string     `json:"key_file" jsonschema:"PEM file with the private key."`
	ACME     ACMEConfig `json:"acme" jsonschema:"Certificates from an authority that speaks ACME."`
}

// Default returns the section's defaults.
func (ServerConfig) Default() ServerConfig {
	return ServerConfig{Listen: ":8443", PathPrefix: "/_gate", OpsListen: "127.0.0.1:9090", DataDir: "./data", ShutdownGrace: 10 * time.Second}
}

// LogConfig is the `log` section.
type LogConfig struct {
	// Level is debug, info, warn or error.
	Level string `json:"level" jsonschema:"Debug, info, warn or error."`
	// Format is json or text.
	Format string `json:"format" jsonschema:"Json or text."`
}

// Default returns the section's defaults.
func (LogConfig) Default() LogConfig { return LogConfig{Level: "info", Format: "json"} }
